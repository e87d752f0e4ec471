"""Key figures as tiles: label, value, unit, change, alarm."""

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from typing import Any

from django.db import connection

from approvals.models import KeyFigures, Waiting

from .queue import counted
from .summary import summary

Tile = dict[str, Any]

MONTH = "month"
DAYS, DAY, STEPS = timedelta(days=30), timedelta(days=1), 12
TIME = "time"  # in its natural unit
MONTH_WORDS = {"median_decision_time_seconds": TIME, "auto_approval_rate": "{:.1%}", "ml_accuracy": "{:.1%}"}
FRESH = timedelta(minutes=5)  # the worker counts every minute; older figures mean that none runs

# Whatever waits or was decided since, held against each moment; the rest of the table is not read.
LAST_DAY = """
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
    """Return the five tiles over the queue: what waits, what is late, and the last 30 days.

    How each came about (its course, its change) is read of what the worker counted; without one there is none.
    """
    waiting = Waiting.objects.all()
    late = counted(waiting.filter(sla_due_at__lte=now))
    month = kept_month(now) or count_month(now)
    before, course = month.get("before", {}), month.get("course", {})

    def month_tile(make: Callable[..., Tile], label: str, name: str, kind: str) -> Tile:
        made = make(f"{label}, 30 days", month[name], before.get(name))
        return made | _drawn([value for value in course.get(name, []) if value is not None], kind, MONTH_WORDS[name])

    return [
        day_tile("Pending", counted(waiting), course.get("pending", []), "cyan"),
        day_tile("SLA breached", late, course.get("late", []), "alert", alert=late != "0"),
        month_tile(time_tile, "Median decision", "median_decision_time_seconds", "accent"),
        month_tile(rate_tile, "Auto-approved", "auto_approval_rate", "violet"),
        month_tile(rate_tile, "ML accuracy", "ml_accuracy", "accent"),
    ]


def kept_month(now: datetime) -> dict[str, Any] | None:
    """Return the figures of the last 30 days as the worker counted them lately, or None."""
    kept = KeyFigures.objects.filter(name=MONTH, counted_at__gte=now - FRESH).first()
    return kept.value if kept else None


def count_month(now: datetime) -> dict[str, Any]:
    """Count what the queue's tiles show of the last 30 days; reads every patch of them."""
    return _figures(now - DAYS, now, now)


def count_course(now: datetime) -> dict[str, Any]:
    """Count how the tiles came about: the 30 days before, the last 30 and the last day in steps; for the worker."""
    step = DAYS / STEPS
    parts = [_figures(now - DAYS + step * part, now - DAYS + step * (part + 1), now) for part in range(STEPS)]
    pending, late = _last_day(now)
    return {
        "before": _figures(now - 2 * DAYS, now - DAYS, now),
        "course": {name: [part[name] for part in parts] for name in MONTH_WORDS} | {"pending": pending, "late": late},
    }


def _figures(since: datetime, until: datetime, now: datetime) -> dict[str, Any]:
    found = summary(since, until, now)
    return {name: found[name] for name in MONTH_WORDS}


def _last_day(now: datetime) -> tuple[list[int], list[int]]:
    """Return how many waited, and how many of them were late, every two hours of the last day up to now."""
    with connection.cursor() as cursor:
        cursor.execute(LAST_DAY, {"since": now - DAY, "now": now})
        rows = cursor.fetchall()
    return [waited for waited, _ in rows], [late for _, late in rows]


def day_tile(label: str, value: str, course: Sequence[int], kind: str, *, alert: bool = False) -> Tile:
    """Return a count of now with its course over the last day and what that came to."""
    change = course[-1] - course[0] if course else 0
    delta = f"{abs(change):,} in 24 h" if change else ""
    return tile(label, value, delta=delta, direction=_direction(change, 0), alert=alert) | _drawn(
        course, kind, "{:,.0f}", "24 hours"
    )


def _drawn(course: Sequence[float], kind: str, words: str, period: str = "30 days") -> Tile:
    """Return a course for the page: the numbers, the colour, and for who does not see it where it went."""
    if len(course) < 2:
        return {}
    first, last, low, high = (
        " ".join(natural(value)) if words == TIME else words.format(value)
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
