"""KPIs as tiles: label, value, unit, change, alert."""

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from typing import Any

from approvals.models import KeyFigures, Waiting
from postgresql.statements import query

from .queue import counted
from .summary import summary

Tile = dict[str, Any]

MONTH = "month"
DAYS, DAY, STEPS = timedelta(days=30), timedelta(days=1), 12
TIME = "time"  # in its natural unit
MONTH_FORMATS = {"median_decision_time_seconds": TIME, "auto_approval_rate": "{:.1%}", "ml_accuracy": "{:.1%}"}
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


def queue_kpis(now: datetime) -> list[Tile]:
    """Return the five tiles above the queue: how many are pending, how many are late, and the last 30 days.

    The trend and the change of each come from the worker's snapshot; without a snapshot there are none.
    """
    queue = Waiting.objects.all()
    late = counted(queue.filter(sla_due_at__lte=now))
    month = kept_month(now) or count_month(now)
    before, course = month.get("before", {}), month.get("course", {})

    def month_tile(make: Callable[..., Tile], label: str, name: str, kind: str) -> Tile:
        plain_tile = make(f"{label}, 30 days", month[name], before.get(name))
        return plain_tile | _trend(
            [value for value in course.get(name, []) if value is not None], kind, MONTH_FORMATS[name]
        )

    return [
        day_tile("Pending", counted(queue), course.get("pending", []), "cyan"),
        day_tile("SLA breached", late, course.get("late", []), "alert", alert=late != "0"),
        month_tile(time_tile, "Median decision", "median_decision_time_seconds", "accent"),
        month_tile(rate_tile, "Auto-approved", "auto_approval_rate", "violet"),
        month_tile(rate_tile, "ML accuracy", "ml_accuracy", "accent"),
    ]


def kept_month(now: datetime) -> dict[str, Any] | None:
    """Return the worker's snapshot of the last 30 days, or None if there is no recent one."""
    snapshot = KeyFigures.objects.filter(name=MONTH, counted_at__gte=now - FRESH).first()
    return snapshot.value if snapshot else None


def count_month(now: datetime) -> dict[str, Any]:
    """Compute what the queue's tiles show of the last 30 days; reads every patch of that time."""
    return _month_kpis(now - DAYS, now, now)


def count_course(now: datetime) -> dict[str, Any]:
    """Compute the tiles' trends (the 30 days before, the last 30 and the last day in steps); for the worker."""
    step = DAYS / STEPS
    parts = [_month_kpis(now - DAYS + step * part, now - DAYS + step * (part + 1), now) for part in range(STEPS)]
    pending, late = _last_day(now)
    return {
        "before": _month_kpis(now - 2 * DAYS, now - DAYS, now),
        "course": {name: [part[name] for part in parts] for name in MONTH_FORMATS} | {"pending": pending, "late": late},
    }


def _month_kpis(since: datetime, until: datetime, now: datetime) -> dict[str, Any]:
    kpis = summary(since, until, now)
    return {name: kpis[name] for name in MONTH_FORMATS}


def _last_day(now: datetime) -> tuple[list[int], list[int]]:
    """Return how many were pending, and how many of them late, every two hours of the last day up to now."""
    rows = query(LAST_DAY_SQL, {"since": now - DAY, "now": now})
    return [waited for waited, _ in rows], [late for _, late in rows]


def day_tile(label: str, value: str, course: Sequence[int], kind: str, *, alert: bool = False) -> Tile:
    """Return the present count with its trend and change over the last day."""
    change = course[-1] - course[0] if course else 0
    delta = f"{abs(change):,} in 24 h" if change else ""
    return tile(label, value, delta=delta, direction=_direction(change, 0), alert=alert) | _trend(
        course, kind, "{:,.0f}", "24 hours"
    )


def _trend(course: Sequence[float], kind: str, number_format: str, period: str = "30 days") -> Tile:
    """Return a trend for the page: the numbers, the colour, and a sentence for people who do not see the chart."""
    if len(course) < 2:
        return {}
    first, last, low, high = (
        " ".join(natural(value)) if number_format == TIME else number_format.format(value)
        for value in (course[0], course[-1], min(course), max(course))
    )
    return {
        "course": course,
        "kind": kind,
        "course_words": f"Over the last {period}: from {first} to {last}, lowest {low}, highest {high}.",
    }


def tile(label: str, value: str, unit: str = "", *, delta: str = "", direction: str = "", alert: bool = False) -> Tile:
    return {
        "label": label,
        "value": value,
        "unit": unit,
        "delta": delta,
        "direction": direction,
        "alert": alert,
    }


def rate_tile(label: str, rate: float | None, before: float | None = None) -> Tile:
    """Return a share as percent with its change in points; a dash when there was nothing to divide."""
    if rate is None:
        return tile(label, "–", delta="no data yet")
    change = "" if before is None else f"{abs(rate - before) * 100:.1f} pts"
    return tile(label, f"{rate * 100:.1f}", "%", delta=change, direction=_direction(rate, before))


def time_tile(label: str, seconds: float | None, before: float | None = None) -> Tile:
    """Return a duration in its natural unit with its change."""
    if seconds is None:
        return tile(label, "–", delta="no data yet")
    value, unit = natural(seconds)
    change = "" if before is None else "{} {}".format(*natural(abs(seconds - before)))
    return tile(label, value, unit, delta=change, direction=_direction(seconds, before))


def count_tile(label: str, count: int, before: int | None = None) -> Tile:
    # The arrow beside it says which way.
    change = f"{abs(count - before) / before * 100:.0f} %" if before else ""
    return tile(label, f"{count:,}", delta=change, direction=_direction(count, before) if change else "")


def natural(seconds: float) -> tuple[str, str]:
    """Return a duration as number and unit, the way a person says it."""
    if seconds < 90:
        return f"{seconds:.0f}", "s"
    if seconds < 90 * 60:
        return f"{seconds / 60:.0f}", "min"
    return (f"{seconds / 3600:.1f}", "h") if seconds < 48 * 3600 else (f"{seconds / 86_400:.1f}", "d")


def _direction(value: float, before: float | None) -> str:
    if before is None or value == before:
        return ""
    return "up" if value > before else "down"
