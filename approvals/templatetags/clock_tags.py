"""Times as people read them: SLA clocks, ages, durations, time stamps. Everything counts from `now` of the context."""

from datetime import datetime, timedelta
from typing import Any

from django import template
from django.template import Context
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString

from approvals.models import NO_DEADLINE, Decision, Status

register = template.Library()
MINUTE, HOUR, DAY = 60, 3600, 86_400
UNDECIDED = {Status.EXPIRED, Status.CANCELLED}


@register.filter
def duration(value: float | timedelta | None) -> str:
    """Return seconds as two units at most, floored: 59 min 59 s is never shown as an hour."""
    if value is None:
        return ""
    seconds = int(value.total_seconds() if isinstance(value, timedelta) else value)
    if seconds < 0:
        return f"−{duration(-seconds)}"
    if seconds < MINUTE:
        return f"{seconds} s"
    if seconds < 10 * MINUTE:
        return _two(seconds, MINUTE, "min", 1, "s")
    if seconds < HOUR:
        return f"{seconds // MINUTE} min"
    if seconds < DAY:
        return _two(seconds, HOUR, "h", MINUTE, "m")
    return _two(seconds, DAY, "d", HOUR, "h")


def _two(seconds: int, big: int, big_unit: str, small: int, small_unit: str) -> str:
    rest = seconds % big // small
    return f"{seconds // big} {big_unit}" + (f" {rest} {small_unit}" if rest else "")


@register.filter
def milliseconds(value: float | None) -> str:
    """Return a run time given in milliseconds."""
    if value is None:
        return ""
    return f"{int(value)} ms" if value < 1000 else f"{value / 1000:.1f} s" if value < 10_000 else duration(value / 1000)


@register.simple_tag(takes_context=True)
def ago(context: Context, at: datetime) -> SafeString:
    """Return how long ago something was, with the exact time on it."""
    now = now_of(context)
    seconds = (now - at).total_seconds()
    words = "just now" if seconds < 1 else f"{duration(seconds)} ago"
    return _time(at, words)


@register.simple_tag(takes_context=True)
def when(context: Context, at: datetime | None) -> SafeString | str:
    """Return a time stamp in the person's time zone: only the time for today, the year unless it is this one."""
    if at is None:
        return ""
    local, today = timezone.localtime(at), timezone.localtime(now_of(context))
    if local.date() == today.date():
        return _time(at, f"{local:%H:%M}")
    return _time(
        at, f"{local.day} {local:%b}" + (f" {local.year}" if local.year != today.year else "") + f", {local:%H:%M}"
    )


@register.simple_tag
def stamp(at: datetime) -> SafeString:
    """Return date and time to the second, for records."""
    return _time(at, f"{timezone.localtime(at):%Y-%m-%d %H:%M:%S}")


def _time(at: datetime, words: str) -> SafeString:
    local = timezone.localtime(at)
    title = f"{local:%Y-%m-%d %H:%M:%S} UTC{local:%z}"
    return format_html('<time datetime="{}" title="{}">{}</time>', at.isoformat(), title, words)


def now_of(context: Context) -> datetime:
    """Return the view's `now`, so that everything on a page counts from one moment."""
    now = context.get("now")
    return now if isinstance(now, datetime) else timezone.now()


@register.inclusion_tag("approvals/_sla.html", takes_context=True)
def sla(context: Context, decision: Decision, large: bool = False) -> dict[str, Any]:
    """Render the clock of a decision."""
    return {**clock(decision, now_of(context)), "decision": decision, "large": large}


def clock(decision: Decision, now: datetime) -> dict[str, Any]:
    """Return what a decision's SLA clock shows.

    `state` is ok, warning, breached, none (no SLA) or stopped (decided); `percent` is the time left, 0 to 100;
    `text` is the large words, `detail` the small ones.
    """
    waiting = f"waiting {duration(max(now - decision.created_at, timedelta()))}"
    if decision.status != Status.PENDING:
        return _stopped(decision)
    if decision.sla_due_at == NO_DEADLINE:
        return {"state": "none", "icon": "clock", "percent": 0, "text": "no SLA", "detail": waiting}
    left = decision.sla_due_at - now
    whole = _whole(decision)
    detail = {
        "detail": waiting,
        "due": decision.sla_due_at,
        "start": decision.sla_due_at - whole,
        "warn": decision.sla_warn_at,
        "of": f"of {duration(whole)}, due {timezone.localtime(decision.sla_due_at):%H:%M %Z}",
    }
    if left <= timedelta():
        return {"state": "breached", "icon": "warning", "percent": 100, "text": f"{duration(-left)} over", **detail}
    late = now >= decision.sla_warn_at
    return {
        "state": "warning" if late else "ok",
        "icon": "hourglass" if late else "clock",
        "percent": share_left(left, whole),
        "text": f"{duration(left)} left",
        **detail,
    }


def share_left(left: timedelta, whole: timedelta) -> int:
    """Return what is left of a clock in percent; a clock that was inherited may have no length of its own."""
    return max(0, min(100, int(left / whole * 100))) if whole > timedelta() else 0


def _stopped(decision: Decision) -> dict[str, Any]:
    took = decision.decided_at - decision.created_at if decision.decided_at else None
    stopped = {"state": "stopped", "icon": "clock", "percent": 0, "text": "Clock stopped"}
    if decision.decided_at is None or decision.sla_due_at == NO_DEADLINE:
        return {**stopped, "detail": f"took {duration(took)}, no SLA" if took is not None else "no SLA"}
    if decision.status == Status.SUPERSEDED:
        return {**stopped, "detail": "a newer revision has its clock"}
    ended = "decided" if decision.status not in UNDECIDED else "ended"
    spare = decision.sla_due_at - decision.decided_at
    if spare < timedelta():
        return {**stopped, "icon": "warning", "detail": f"{ended} {duration(-spare)} after the SLA"}
    return {
        **stopped,
        "percent": share_left(spare, _whole(decision)),
        "detail": f"{ended} with {duration(spare)} left",
    }


def _whole(decision: Decision) -> timedelta:
    """Return how long the SLA is. A later revision goes on with the clock of the first, which began before it came."""
    whole = decision.sla_due_at - decision.created_at
    if decision.patch_id and decision.patch.revision > 1 and decision.policy_version.sla_due_seconds:
        return max(whole, timedelta(seconds=decision.policy_version.sla_due_seconds))
    return whole


@register.simple_tag(takes_context=True)
def age(context: Context, at: datetime) -> str:
    """Return how long something has waited."""
    return f"waiting {duration(max(now_of(context) - at, timedelta()))}"
