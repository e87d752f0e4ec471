"""After the approval: what is approved and not deployed, what was reported, and how well it went."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.db.models import Count, Exists, OuterRef, QuerySet

from approvals.models import (
    Acknowledgement,
    Decision,
    DeploymentAlarm,
    DeploymentResult,
    DiffFetch,
    OutcomeReport,
    Status,
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


def not_deployed(now: datetime) -> QuerySet[Decision]:
    """Return the approvals of patches that no deployer has reported as deployed; lazily, in no order."""
    deployed = OutcomeReport.objects.filter(decision=OuterRef("pk"), result=DeploymentResult.DEPLOYED, alarm="")
    rows = Decision.objects.filter(status__in=APPROVED, decided_at__gte=now - WINDOW, patch__gate__isnull=True)
    return rows.exclude(Exists(deployed)).select_related("patch", "decided_by_user").defer("patch__wargaming_log")


def never_fetched(now: datetime) -> QuerySet[Decision]:
    """Return those of them that no deployer has taken notice of either, a day after the approval."""
    rows = not_deployed(now).filter(decided_at__lt=now - FETCH_WITHIN)
    fetched = DiffFetch.objects.filter(decision=OuterRef("pk"))
    acknowledged = Acknowledgement.objects.filter(feed_entry__decision=OuterRef("pk"))
    reported = OutcomeReport.objects.filter(decision=OuterRef("pk"))
    return rows.exclude(Exists(fetched)).exclude(Exists(acknowledged)).exclude(Exists(reported))


def reports() -> QuerySet[OutcomeReport]:
    """Return the reports of deployers; lazily, in no order."""
    return OutcomeReport.objects.select_related("decision__patch", "note").defer("decision__patch__wargaming_log")


def alarms() -> QuerySet[OutcomeReport]:
    """Return those of them that raised an alarm."""
    return reports().exclude(alarm="")


def count(rows: QuerySet[Decision] | QuerySet[OutcomeReport]) -> int:
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
    """Return how many reports raised each alarm, those never raised too."""
    alarms = OutcomeReport.objects.exclude(alarm="").values_list("alarm").annotate(Count("pk"))
    return {str(kind): 0 for kind in DeploymentAlarm} | dict(alarms)


@dataclass(frozen=True, slots=True)
class Rates:
    """What the latest reports say: shares from 0 to 1 and a mean in seconds, None where there is nothing to divide."""

    outcomes: int
    false_positives: float | None
    success: float | None
    mttr_seconds: float | None


def rates(since: datetime | None, until: datetime | None) -> Rates:
    """Return the rates of patches that arrived in [since, until), of the latest `LATEST` reports; one query.

    False positives were approved, and later revoked, failed or rolled back. A success is deployed, and that was the
    last word of it. What failed without ever being approved is neither. The time to repair is from the arrival of the
    patch to its first deployment.
    """
    period = {"since": since, "until": until, "latest": LATEST}
    [(outcomes, wrong, good, seconds)] = query_prepared(RATES_SQL, period)
    if not outcomes:
        return Rates(0, None, None, None)
    return Rates(outcomes, wrong / outcomes, good / outcomes, float(seconds) if seconds is not None else None)


RATES_SQL = """
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
select count(*),
    count(*) filter (where went_wrong or decision.status = 'revoked'),
    count(*) filter (where last = 'deployed'),
    avg(extract(epoch from outcome.deployed_at - decision.created_at))
from outcome join approvals_decision decision on decision.id = outcome.decision_id
where decision.status in ('approved', 'auto_approved', 'revoked')
    and decision.created_at >= coalesce(%(since)s::timestamptz, '-infinity')
    and decision.created_at < coalesce(%(until)s::timestamptz, 'infinity')
"""
