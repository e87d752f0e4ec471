"""Times as people read them: SLA clocks, ages, durations, time stamps. Everything counts from `now` of the context."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from django import template
from django.template import Context
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString

from approvals.models import NO_DEADLINE, Decision, Status

from .compiled_tags import drawn

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


@register.simple_tag(takes_context=True)
def sla(context: Context, decision: Decision, large: bool = False) -> SafeString:
    """Return the clock of a decision, drawn."""
    return drawn("approvals/_clock.html", clock=clock_of(decision, now_of(context)), large=large)


@dataclass(frozen=True, slots=True)
class Clock:
    """What a decision's SLA clock shows."""

    state: str  # ok, warning, breached, none (no SLA) or stopped (decided)
    icon: str
    text: str  # the large words
    detail: str  # the small ones
    percent: int = 0  # how much of the time is left
    due: datetime | None = None  # None where no clock runs
    start: datetime | None = None
    warn: datetime | None = None
    whole: str = ""  # how long the SLA is and when it is due


def clock_of(decision: Decision, now: datetime) -> Clock:
    """Return the clock of a decision."""
    waiting = f"waiting {duration(max(now - decision.created_at, timedelta()))}"
    if decision.status != Status.PENDING:
        return _stopped(decision)
    if decision.sla_due_at == NO_DEADLINE:
        return Clock("none", "clock", "no SLA", waiting)
    due, left, length = decision.sla_due_at, decision.sla_due_at - now, _length(decision)
    if left <= timedelta():
        state, icon, text, percent = "breached", "warning", f"{duration(-left)} over", 100
    else:
        late = now >= decision.sla_warn_at
        state, icon = ("warning", "hourglass") if late else ("ok", "clock")
        text, percent = f"{duration(left)} left", share_left(left, length)
    whole = f"of {duration(length)}, due {timezone.localtime(due):%H:%M %Z}"
    return Clock(state, icon, text, waiting, percent, due, due - length, decision.sla_warn_at, whole)


def share_left(left: timedelta, whole: timedelta) -> int:
    """Return what is left of a clock in percent; a clock that was inherited may have no length of its own."""
    return max(0, min(100, int(left / whole * 100))) if whole > timedelta() else 0


def _stopped(decision: Decision) -> Clock:
    text = "Clock stopped"
    if decision.decided_at is None or decision.sla_due_at == NO_DEADLINE:
        took = f"took {duration(decision.decided_at - decision.created_at)}, " if decision.decided_at else ""
        return Clock("stopped", "clock", text, f"{took}no SLA")
    if decision.status == Status.SUPERSEDED:
        return Clock("stopped", "clock", text, "a newer revision has its clock")
    ended = "decided" if decision.status not in UNDECIDED else "ended"
    spare = decision.sla_due_at - decision.decided_at
    if spare < timedelta():
        return Clock("stopped", "warning", text, f"{ended} {duration(-spare)} after the SLA")
    percent = share_left(spare, _length(decision))
    return Clock("stopped", "clock", text, f"{ended} with {duration(spare)} left", percent)


def _length(decision: Decision) -> timedelta:
    """Return how long the SLA is. A later revision goes on with the clock of the first, which began before it came."""
    length = decision.sla_due_at - decision.created_at
    if decision.patch_id and decision.patch.revision > 1 and decision.policy_version.sla_due_seconds:
        return max(length, timedelta(seconds=decision.policy_version.sla_due_seconds))
    return length
