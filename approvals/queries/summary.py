"""The reference API's summary and more, for a period; the page and the API show the same numbers."""

from collections.abc import Iterable
from datetime import datetime
from typing import Any

from django.db.models import Count

from approvals.models import NO_DEADLINE, Decision, Priority, Status
from postgresql.statements import query

# Times are of people's decisions only: a policy that approves in a millisecond would make people look fast, and a lead
# who cancels old patches would make them look slow. SLA compliance counts what people decided, and all that is late.
SUMMARY_SQL = """
select
    count(*),
    count(*) filter (where d.status = 'pending'),
    count(*) filter (where d.status = 'approved'),
    count(*) filter (where d.status = 'rejected'),
    count(*) filter (where d.status = 'auto_approved'),
    count(*) filter (where d.status = 'expired'),
    count(*) filter (where d.status = 'cancelled'),
    count(*) filter (where d.status = 'revoked'),
    count(*) filter (where d.status = 'changes_requested'),
    count(*) filter (where d.status = 'superseded'),
    avg(took) filter (where by_people),
    percentile_cont(0.5) within group (order by took) filter (where by_people),
    percentile_cont(0.95) within group (order by took) filter (where by_people),
    avg((p.ml_prediction = (p.wargaming = 'passed'))::int)
        filter (where p.ml_prediction is not null and p.wargaming in ('passed', 'failed')),
    avg((coalesce(d.decided_at, %(now)s) <= d.sla_due_at)::int)
        filter (where d.sla_due_at < %(never)s and (by_people or coalesce(d.decided_at, %(now)s) > d.sla_due_at)),
    count(*) filter (where d.status = 'pending' and d.sla_due_at <= %(now)s)
from approvals_decision d join approvals_patch p on p.id = d.patch_id,
    lateral (
        select d.decided_by_kind = 'human' and d.status <> 'cancelled' as by_people,
               extract(epoch from d.decided_at - d.created_at) as took
    ) timing
where d.created_at >= %(since)s and d.created_at < %(until)s
"""

NAMES = (
    "total_patches",
    "pending",
    "approved",
    "rejected",
    "auto_approved",
    "expired",
    "cancelled",
    "revoked",
    "changes_requested",
    "superseded",
    "avg_decision_time_seconds",
    "median_decision_time_seconds",
    "p95_decision_time_seconds",
    "ml_accuracy",
    "sla_compliance",
    "sla_breached",
)

LONG_AGO = datetime.fromisoformat("1970-01-01T00:00:00+00:00")


def summary(since: datetime | None, until: datetime | None, now: datetime) -> dict[str, Any]:
    """Return counts, times in seconds and rates 0..1 (None when there is nothing to divide) for the patches that
    arrived in [since, until). `approved` counts people's approvals only; no outcome reports exist yet, so the rates
    that need them are None."""
    period = {"since": since or LONG_AGO, "until": until or NO_DEADLINE, "now": now, "never": NO_DEADLINE}
    [row] = query(SUMMARY_SQL, period)
    numbers: dict[str, Any] = {
        name: float(value) if value is not None and position >= 10 and name != "sla_breached" else value
        for position, (name, value) in enumerate(zip(NAMES, row, strict=True))
    }
    arrived = Decision.objects.filter(created_at__gte=period["since"], created_at__lt=period["until"])
    groups = arrived.values_list("priority", "status").annotate(Count("pk"))
    decided = numbers["auto_approved"] + numbers["approved"] + numbers["rejected"]
    return numbers | {
        "auto_approval_rate": numbers["auto_approved"] / decided if decided else None,
        "false_positive_rate": None,
        "mttr_seconds": None,
        "patch_success_rate": None,
        "by_priority": _by_priority(groups),
    }


def _by_priority(groups: Iterable[tuple[int, str, int]]) -> dict[str, dict[str, int]]:
    table = {priority.name.lower(): {str(status): 0 for status in Status} for priority in reversed(Priority)}
    for priority, status, count in groups:
        table[Priority(priority).name.lower()][status] = count
    return table
