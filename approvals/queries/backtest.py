"""Backtest: what a policy would have done with the patches that people decided, to see before it is enforced; and whom
patches like those that wait would have told under it."""

from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal

from django.conf import settings
from django.db.models import QuerySet

from approvals.models import Decision, PolicyVersion, Priority, Status, User
from approvals.policy.conditions import held_in_time
from approvals.policy.evaluate import AT_LEAST, ENFORCED, SPOT_CHECK, SWITCHED_ON

from .facts import condition_facts
from .people import reviewers

MOST = 2_000
MOST_SECONDS = 2.0  # of processor time: whoever tries a condition needs nobody's agreement and holds up a process
ENOUGH = 30  # patches that it would have approved; fewer say little about a policy
PEOPLE = {Status.APPROVED, Status.REJECTED, Status.CHANGES_REQUESTED, Status.REVOKED}
REFUSED = {Status.REJECTED, Status.CHANGES_REQUESTED, Status.REVOKED}
NOT_FROM_TRACE = (AT_LEAST, ENFORCED, SPOT_CHECK, SWITCHED_ON)


@dataclass(frozen=True, slots=True)
class Backtest:
    """What a policy would have done: how many of the `decided` patches were looked at, covered and (`would`) approved
    without a person; how many of these people approved (`agreed`), and which they rejected, sent back or revoked
    (`against`)."""

    decided: int
    looked_at: int
    covered: int
    would: int
    agreed: int
    against: list[Decision]
    threshold: Decimal
    own_threshold: Decimal

    @property
    def floor_counts(self) -> bool:
        """Return whether the installation's threshold is above the policy's own, which then does not count."""
        return self.threshold > self.own_threshold

    @property
    def enough(self) -> bool:
        return self.would >= ENOUGH


def backtest(version: PolicyVersion) -> Backtest:
    """Judge the newest decided patches by a version's condition and threshold; every other condition of automatic
    approval is taken from the decision's trace, as judged when the patch came. One query. Judging stops after
    MOST_SECONDS."""
    decided = list(_decided())
    looked_at, covered = _judged(decided, version.match)
    would = [row for row in covered if _would_approve(row, version)]
    return Backtest(
        decided=len(decided),
        looked_at=looked_at,
        covered=len(covered),
        would=len(would),
        agreed=sum(row.status == Status.APPROVED for row in would),
        against=[row for row in would if row.status in REFUSED],
        threshold=_threshold(version),
        own_threshold=version.auto_approve_threshold,
    )


@dataclass(frozen=True, slots=True)
class WouldTell:
    """Whom a policy would have told: of the `waiting` patches the oldest `looked_at` were judged, and it covers
    `covered`. `first` people are told at first of one patch, and `people` may decide under it: no patch tells more of
    those. Publishing it tells nobody, because what waits keeps the version it came under."""

    waiting: int
    looked_at: int
    covered: int
    first: int
    people: int


def would_tell(version: PolicyVersion) -> WouldTell:
    """Judge the patches that wait, oldest first, by a version's condition; two queries. Judging stops after
    MOST_SECONDS."""
    waiting = list(_with_facts(Decision.objects.filter(status=Status.PENDING)).order_by("created_at", "id")[:MOST])
    looked_at, covered = _judged(waiting, version.match)
    able = reviewers().filter(held_since=None)
    if version.decider_groups:
        able = able.filter(pk__in=User.objects.filter(groups__name__in=version.decider_groups))
    people = able.count()
    first = min(people, max(settings.NOTIFY_FIRST, version.required_approvals + 1))
    return WouldTell(len(waiting), looked_at, len(covered), first, people)


def _judged(decided: list[Decision], condition: str) -> tuple[int, list[Decision]]:
    """Return how many of these patches the time was enough for, and those that the condition covers."""
    outcomes = list(held_in_time(condition, map(_facts, decided), MOST_SECONDS))
    return len(outcomes), [row for row, outcome in zip(decided, outcomes, strict=False) if outcome]


def _decided() -> Iterable[Decision]:
    return _with_facts(Decision.objects.filter(status__in=PEOPLE)).order_by("-decided_at", "-id")[:MOST]


def _with_facts(rows: QuerySet[Decision]) -> QuerySet[Decision]:
    return rows.select_related("patch__producer").defer(
        "patch__wargaming_log", "patch__description", "patch__cve_description", "patch__search_text"
    )


def _facts(decision: Decision) -> dict[str, object]:
    return condition_facts(decision.patch, decision.patch.producer.name, Priority(decision.priority))


def _threshold(version: PolicyVersion) -> Decimal:
    return max(settings.AUTO_APPROVE_THRESHOLD, version.auto_approve_threshold)


def _would_approve(decision: Decision, version: PolicyVersion) -> bool:
    confidence = decision.patch.ml_confidence
    if confidence is None or Decimal(repr(confidence)) < _threshold(version):
        return False
    conditions = [row for row in decision.trace if not row["text"].startswith(NOT_FROM_TRACE)]
    return bool(conditions) and all(row["outcome"] == "pass" for row in conditions)
