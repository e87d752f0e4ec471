"""Backtest: what a policy would have done with the patches that people decided, to see before it is enforced."""

from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal

from django.conf import settings

from approvals.models import Decision, PolicyVersion, Priority, Status
from approvals.policy.conditions import holds
from approvals.policy.evaluate import AT_LEAST, ENFORCED, SPOT_CHECK, SWITCHED_ON

from .facts import condition_facts

MOST = 2_000
ENOUGH = 30  # patches that it would have approved; fewer say little about a policy
PEOPLE = {Status.APPROVED, Status.REJECTED, Status.CHANGES_REQUESTED, Status.REVOKED}
REFUSED = {Status.REJECTED, Status.CHANGES_REQUESTED, Status.REVOKED}
NOT_FROM_TRACE = (AT_LEAST, ENFORCED, SPOT_CHECK, SWITCHED_ON)


@dataclass(frozen=True, slots=True)
class Backtest:
    """What a policy would have done: how many patches were looked at, covered and (`would`) approved without a person;
    how many of these people approved (`agreed`), and which they rejected, sent back or revoked (`against`)."""

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
    approval is taken from the decision's trace, as judged when the patch came. One query."""
    rows = list(_decided())
    covered = [row for row in rows if holds(version.match, _facts(row))]
    would = [row for row in covered if _would_approve(row, version)]
    return Backtest(
        looked_at=len(rows),
        covered=len(covered),
        would=len(would),
        agreed=sum(row.status == Status.APPROVED for row in would),
        against=[row for row in would if row.status in REFUSED],
        threshold=_threshold(version),
        own_threshold=version.auto_approve_threshold,
    )


def _decided() -> Iterable[Decision]:
    return (
        Decision.objects.filter(status__in=PEOPLE)
        .select_related("patch__producer")
        .defer("patch__wargaming_log", "patch__description", "patch__cve_description", "patch__search_text")
        .order_by("-decided_at", "-id")[:MOST]
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
