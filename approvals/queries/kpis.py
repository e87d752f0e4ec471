"""The queue's KPIs: what is pending and late now, the last 30 days, and how they changed."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from approvals.models import KeyFigures, Waiting
from postgresql.statements import query

from .queue import counted
from .summary import summary

MONTH = "month"
DAYS, DAY, STEPS = timedelta(days=30), timedelta(days=1), 12
MONTH_KPIS = ("median_decision_time_seconds", "auto_approval_rate", "ml_accuracy")
"""Of the summary, what the tiles show of the last 30 days."""
FRESH = timedelta(minutes=5)  # the worker saves a snapshot every minute; an older one means that none runs

# What is pending or was decided in the last day, counted at each moment; the rest of the table is not read.
LAST_DAY_SQL = """
select count(d.created_at), count(d.created_at) filter (where d.sla_due_at <= moment)
from generate_series(%(since)s::timestamptz, %(now)s::timestamptz, interval '2 hours') moment left join (
    select created_at, sla_due_at, 'infinity'::timestamptz as until from approvals_waiting
    union all
    select created_at, sla_due_at, decided_at
    from approvals_decision where status <> 'pending' and decided_at > %(since)s
) d on d.created_at <= moment and d.until > moment
group by moment order by moment
"""


@dataclass(frozen=True, slots=True)
class QueueKpis:
    """How many decisions are pending, and late, up to `COUNT_LIMIT` + 1; the KPIs of the last 30 days and of the
    30 before, by name; and the trend of each. Without a recent snapshot of the worker's, `before` and `trends` are
    empty."""

    pending: int
    late: int
    month: dict[str, Any]
    before: dict[str, Any]
    trends: dict[str, list[Any]]


def queue_kpis(now: datetime) -> QueueKpis:
    """Return what the tiles above the queue show."""
    queue = Waiting.objects.all()
    month = month_snapshot(now) or count_month(now)
    late = counted(queue.filter(sla_due_at__lte=now))
    return QueueKpis(counted(queue), late, month, month.get("before", {}), month.get("course", {}))


def month_snapshot(now: datetime) -> dict[str, Any] | None:
    """Return the worker's snapshot of the last 30 days, or None if there is no recent one."""
    snapshot = KeyFigures.objects.filter(name=MONTH, counted_at__gte=now - FRESH).first()
    return snapshot.value if snapshot else None


def count_month(now: datetime) -> dict[str, Any]:
    """Compute what the queue's tiles show of the last 30 days; reads every patch of that time."""
    return _month_kpis(now - DAYS, now, now)


def count_trends(now: datetime) -> dict[str, Any]:
    """Compute the tiles' trends (the 30 days before, the last 30 and the last day in steps); for the worker."""
    step = DAYS / STEPS
    parts = [_month_kpis(now - DAYS + step * part, now - DAYS + step * (part + 1), now) for part in range(STEPS)]
    pending, late = _last_day(now)
    return {
        "before": _month_kpis(now - 2 * DAYS, now - DAYS, now),
        "course": {name: [part[name] for part in parts] for name in MONTH_KPIS} | {"pending": pending, "late": late},
    }


def _month_kpis(since: datetime, until: datetime, now: datetime) -> dict[str, Any]:
    kpis = summary(since, until, now)
    return {name: kpis[name] for name in MONTH_KPIS}


def _last_day(now: datetime) -> tuple[list[int], list[int]]:
    """Return how many were pending, and how many of them late, every two hours of the last day up to now."""
    rows = query(LAST_DAY_SQL, {"since": now - DAY, "now": now})
    return [waited for waited, _ in rows], [late for _, late in rows]
