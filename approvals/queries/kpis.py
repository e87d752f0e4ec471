"""Key figures as tiles: label, value, unit, change, alarm."""

from datetime import datetime, timedelta
from typing import Any

from approvals.models import Decision, KeyFigures, Status

from .queue import counted
from .summary import summary

Tile = dict[str, Any]

MONTH = "month"
FRESH = timedelta(minutes=5)  # the worker counts every minute; older figures mean that none runs


def queue_kpis(now: datetime) -> list[Tile]:
    """Return the five tiles over the queue: what waits, what is late, and the last 30 days."""
    waiting = Decision.objects.filter(status=Status.PENDING)
    late = counted(waiting.filter(sla_due_at__lte=now))
    month = kept_month(now) or count_month(now)
    return [
        tile("Pending", counted(waiting)),
        tile("SLA breached", late, alert=late != "0"),
        time_tile("Median decision, 30 days", month["median_decision_time_seconds"]),
        rate_tile("Auto-approved, 30 days", month["auto_approval_rate"]),
        rate_tile("ML accuracy, 30 days", month["ml_accuracy"]),
    ]


def kept_month(now: datetime) -> dict[str, Any] | None:
    """Return the figures of the last 30 days as the worker counted them lately, or None."""
    kept = KeyFigures.objects.filter(name=MONTH, counted_at__gte=now - FRESH).first()
    return kept.value if kept else None


def count_month(now: datetime) -> dict[str, Any]:
    """Count what the queue's tiles show of the last 30 days; reads every patch of them."""
    month = summary(now - timedelta(days=30), now, now)
    return {name: month[name] for name in ("median_decision_time_seconds", "auto_approval_rate", "ml_accuracy")}


def tile(label: str, value: str, unit: str = "", *, delta: str = "", direction: str = "", alert: bool = False) -> Tile:
    return {
        "label": label,
        "value": value,
        "unit": unit,
        "delta": delta,
        "direction": direction,
        "spark": "",
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
