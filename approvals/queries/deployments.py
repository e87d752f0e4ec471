"""After the approval: what is approved and not deployed, what was reported, and how well it went."""

from collections.abc import Sequence
from dataclasses import dataclass, fields
from datetime import datetime, timedelta
from typing import Any

from django.db.models import Count, Exists, OuterRef, Q, QuerySet

from approvals.models import (
    Acknowledgement,
    Decision,
    DeploymentAlarm,
    DeploymentResult,
    DiffFetch,
    OutcomeReport,
    RaisedAlarm,
    Review,
    Status,
    Verdict,
)
from postgresql.statements import query_prepared

from .queue import COUNT_LIMIT
from .revocable import APPROVED

WINDOW = timedelta(days=30)
"""How old an approval may be and still be expected in production."""
FETCH_WITHIN = timedelta(hours=24)
"""A deployer that follows the feed has the diff minutes after the approval; after a day nobody is coming."""
LATEST = 1_000
"""So many of the latest reports are counted in the rates: old ones say little about the deployers of today."""
OLDEST_FIRST = ["decided_at", "id"]
NEWEST_FIRST = ["-id"]
SHOWN = 50  # reports on the page of a patch


@dataclass(frozen=True, slots=True)
class Filters:
    """What the reader narrows the lists to; '' and None mean 'any'. `age` is the least since the approval, the report
    or the alarm; `alarm` narrows alarms alone."""

    deployer: str = ""
    alarm: str = ""
    package: str = ""
    repository: str = ""
    policy: str = ""
    age: timedelta | None = None

    def active(self) -> int:
        """Return how many filters narrow the lists."""
        return sum(getattr(self, item.name) != item.default for item in fields(self))


def of_approvals(rows: QuerySet[Decision], filters: Filters, now: datetime) -> QuerySet[Decision]:
    """Narrow approvals; a deployer is one that fetched the diff, acknowledged it or reported on it."""
    if filters.deployer:
        fetched, acknowledged, reported = _notices()
        rows = rows.filter(
            Exists(fetched.filter(deployer=filters.deployer))
            | Exists(acknowledged.filter(deployer=filters.deployer))
            | Exists(reported.filter(deployer=filters.deployer))
        )
    return rows.filter(_of_patch(filters, "") & _older(filters, "decided_at", now))


def of_reports(rows: QuerySet[OutcomeReport], filters: Filters, now: datetime) -> QuerySet[OutcomeReport]:
    """Narrow reports of deployers."""
    named = Q(deployer=filters.deployer) if filters.deployer else Q()
    return rows.filter(named & _of_patch(filters, "decision__") & _older(filters, "reported_at", now))


def of_alarms(rows: QuerySet[RaisedAlarm], filters: Filters, now: datetime) -> QuerySet[RaisedAlarm]:
    """Narrow alarms; one that no report raised is no deployer's."""
    named = Q(report__deployer=filters.deployer) if filters.deployer else Q()
    kind = Q(kind=filters.alarm) if filters.alarm else Q()
    return rows.filter(named & kind & _of_patch(filters, "decision__") & _older(filters, "raised_at", now))


def _of_patch(filters: Filters, prefix: str) -> Q:
    columns = {
        "patch__package_name": filters.package,
        "patch__repository": filters.repository,
        "policy_version__policy__name": filters.policy,
    }
    return Q(**{f"{prefix}{column}": value for column, value in columns.items() if value})


def _older(filters: Filters, column: str, now: datetime) -> Q:
    return Q(**{f"{column}__lte": now - filters.age}) if filters.age else Q()


def not_deployed(now: datetime) -> QuerySet[Decision]:
    """Return the approvals of patches that no deployer has reported as deployed; lazily, in no order."""
    deployed = OutcomeReport.objects.filter(decision=OuterRef("pk"), result=DeploymentResult.DEPLOYED, alarm="")
    rows = Decision.objects.filter(status__in=APPROVED, decided_at__gte=now - WINDOW, patch__gate__isnull=True)
    return rows.exclude(Exists(deployed)).select_related("patch", "decided_by_user").defer("patch__wargaming_log")


def never_fetched(now: datetime) -> QuerySet[Decision]:
    """Return those of them that no deployer has taken notice of either, a day after the approval."""
    rows = not_deployed(now).filter(decided_at__lt=now - FETCH_WITHIN)
    for notice in _notices():
        rows = rows.exclude(Exists(notice))
    return rows


def _notices() -> tuple[QuerySet[DiffFetch], QuerySet[Acknowledgement], QuerySet[OutcomeReport]]:
    """Return how a deployer takes notice of the decision of an outer query."""
    return (
        DiffFetch.objects.filter(decision=OuterRef("pk")),
        Acknowledgement.objects.filter(feed_entry__decision=OuterRef("pk")),
        OutcomeReport.objects.filter(decision=OuterRef("pk")),
    )


def reports() -> QuerySet[OutcomeReport]:
    """Return the reports of deployers; lazily, in no order."""
    return OutcomeReport.objects.select_related("decision__patch", "note").defer("decision__patch__wargaming_log")


def alarms() -> QuerySet[RaisedAlarm]:
    """Return what raised an alarm; lazily, in no order."""
    return RaisedAlarm.objects.select_related("decision__patch", "report__note").defer("decision__patch__wargaming_log")


def count(rows: QuerySet[Any]) -> int:
    """Return how many rows there are, up to `COUNT_LIMIT` + 1."""
    return rows.order_by()[: COUNT_LIMIT + 1].count()


def fetched_by(decisions: list[Decision]) -> dict[int, list[str]]:
    """Return for the key of each decision the deployers that fetched its diff, by name; one query."""
    names: dict[int, list[str]] = {}
    for decision, deployer in DiffFetch.objects.filter(decision__in=decisions).values_list("decision__pk", "deployer"):
        names.setdefault(decision, []).append(deployer)
    return {decision: sorted(found) for decision, found in names.items()}


def of_decision(decision: Decision) -> dict[str, Any]:
    """Return who fetched the diff of a decision (`fetches`) and the newest reports of it (`outcomes`; `only_newest` is
    their number where there are more), oldest first; a query each, no fetches of what never was approved. What is
    pending may be deployed already: that is an alarm."""
    once = decision.status in {*APPROVED, Status.REVOKED}
    reports = OutcomeReport.objects.filter(decision=decision).select_related("note").order_by("-pk")[: SHOWN + 1]
    outcomes = list(reports)
    return {
        "fetches": list(DiffFetch.objects.filter(decision=decision).order_by("pk")) if once else [],
        "outcomes": outcomes[:SHOWN][::-1],
        "only_newest": SHOWN if len(outcomes) > SHOWN else 0,
    }


def alarms_by_kind() -> dict[str, int]:
    """Return how often each alarm was raised, those never raised too."""
    alarms = RaisedAlarm.objects.values_list("kind").annotate(Count("pk"))
    return {str(kind): 0 for kind in DeploymentAlarm} | dict(alarms)


def approved_by(decisions: Sequence[Decision]) -> dict[int, list[str]]:
    """Return for the key of each decision who gave the approvals that stand, in order, and for whom; one query."""
    found: dict[int, list[str]] = {}
    given = Review.objects.filter(decision__in=decisions, verdict=Verdict.APPROVE, withdrawn_at=None)
    for review in given.select_related("reviewer", "delegated_from").order_by("pk"):
        absent = f" for {review.delegated_from}" if review.delegated_from else ""
        found.setdefault(review.decision_id, []).append(f"{review.reviewer}{absent}")
    return found


@dataclass(frozen=True, slots=True)
class Came:
    """What came of one approval, after the latest reports: whether something went wrong, whether it is deployed and
    that was the last word, and how many seconds after the patch's arrival it was first deployed (None: never)."""

    decision: int
    went_wrong: bool
    stands: bool
    seconds: float | None


def what_came(since: datetime | None, until: datetime | None) -> list[Came]:
    """Return what came of patches that arrived in [since, until), by the latest `LATEST` reports; one query.

    Something went wrong where the approval was later revoked, or a deployment failed or was rolled back. What failed
    without ever being approved is not here.
    """
    return [Came(*row) for row in query_prepared(WHAT_CAME_SQL, {"since": since, "until": until, "latest": LATEST})]


OUTCOMES = {"outcomes": "any", "stands": "stands", "went-wrong": "went_wrong", "repaired": "seconds"}
"""Lists of what the rates count, each with the field of `Came` that is so in it."""


def counted_in(outcome: str) -> QuerySet[Decision]:
    """Return the decisions that a rate of the latest reports counts; `outcome` is a key of `OUTCOMES`."""
    field = OUTCOMES[outcome]
    keys = [one.decision for one in what_came(None, None) if field == "any" or getattr(one, field) not in (False, None)]
    rows = Decision.objects.filter(pk__in=keys).select_related("patch", "decided_by_user")
    return rows.defer("patch__wargaming_log")


@dataclass(frozen=True, slots=True)
class Rates:
    """What the latest reports say: shares from 0 to 1 and a mean in seconds, None where there is nothing to divide."""

    outcomes: int
    false_positives: float | None
    success: float | None
    mttr_seconds: float | None


def rates(since: datetime | None, until: datetime | None) -> Rates:
    """Return the rates of patches that arrived in [since, until), of the latest `LATEST` reports; one query.

    False positives were approved, and then something went wrong. A success is deployed, and that was the last word of
    it. The time to repair is from the arrival of the patch to its first deployment.
    """
    came = what_came(since, until)
    if not came:
        return Rates(0, None, None, None)
    times = [float(one.seconds) for one in came if one.seconds is not None]
    return Rates(
        len(came),
        sum(one.went_wrong for one in came) / len(came),
        sum(one.stands for one in came) / len(came),
        sum(times) / len(times) if times else None,
    )


WHAT_CAME_SQL = """
with latest as (
    select id, decision_id, result, deployed_at
    from approvals_outcomereport where alarm = '' order by id desc limit %(latest)s
), outcome as (
    select decision_id,
        bool_or(result <> 'deployed') as went_wrong,
        (array_agg(result order by id desc))[1] as last,
        min(deployed_at) filter (where result = 'deployed') as deployed_at
    from latest group by decision_id
)
select decision.id, went_wrong or decision.status = 'revoked', last = 'deployed',
    extract(epoch from outcome.deployed_at - decision.created_at)
from outcome join approvals_decision decision on decision.id = outcome.decision_id
where decision.status in ('approved', 'auto_approved', 'revoked')
    and decision.created_at >= coalesce(%(since)s::timestamptz, '-infinity')
    and decision.created_at < coalesce(%(until)s::timestamptz, 'infinity')
"""
