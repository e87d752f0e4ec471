"""KPIs as tiles: label, value, unit, change, colour of the trend, alert."""

from collections.abc import Callable, Sequence
from typing import Any

from approvals.queries.kpis import QueueKpis
from approvals.templatetags.number_tags import shown_count

Tile = dict[str, Any]

TIME = "time"  # in its natural unit
MONTH_FORMATS = {"median_decision_time_seconds": TIME, "auto_approval_rate": "{:.1%}", "ml_accuracy": "{:.1%}"}


def queue_tiles(kpis: QueueKpis) -> list[Tile]:
    """Return the five tiles above the queue: how many are pending, how many are late, and the last 30 days."""

    def month_tile(make: Callable[..., Tile], label: str, name: str, kind: str) -> Tile:
        plain_tile = make(f"{label}, 30 days", kpis.month[name], kpis.before.get(name))
        trend = [value for value in kpis.trends.get(name, []) if value is not None]
        return plain_tile | _trend(trend, kind, MONTH_FORMATS[name])

    pending, late = kpis.trends.get("pending", []), kpis.trends.get("late", [])
    return [
        day_tile("Pending", shown_count(kpis.pending), pending, "cyan"),
        day_tile("SLA breached", shown_count(kpis.late), late, "alert", alert=bool(kpis.late)),
        month_tile(time_tile, "Median decision", "median_decision_time_seconds", "accent"),
        month_tile(rate_tile, "Auto-approved", "auto_approval_rate", "violet"),
        month_tile(rate_tile, "ML accuracy", "ml_accuracy", "accent"),
    ]


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
