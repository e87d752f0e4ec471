"""How and when one person hears of one notice: at once by which channels, with a digest, or only in the inbox. Pure."""

from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from .kinds import KINDS
from .models import Channel, When

HOUR = timedelta(hours=1)
DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Choice:
    """What a person chose for a kind."""

    when: When
    channels: tuple[Channel, ...] = (Channel.MAIL,)


@dataclass(frozen=True, slots=True)
class Times:
    """When a person may be told: quiet hours and the hour of the digest on the clocks of their time zone. Until
    `away_until` all that would be sent waits for one digest."""

    zone: str = "UTC"
    quiet_from: time | None = None
    quiet_until: time | None = None
    critical_breaks_through: bool = False
    digest_hour: int = 8
    away_until: datetime | None = None


@dataclass(frozen=True, slots=True)
class Plan:
    """`channels` to send by, from `due_at` on; or gathered with others at `digest_at`, in a summary where it is beyond
    the limit. Neither: only the inbox has it."""

    channels: tuple[Channel, ...]
    due_at: datetime
    digest_at: datetime | None = None
    beyond_limit: bool = False


def default_choice(kind: str) -> Choice:
    """Return how somebody hears of a kind who chose nothing."""
    return Choice(KINDS[kind].when)


def plan(choice: Choice, times: Times, now: datetime, *, critical: bool = False) -> Plan:
    """Return how a notice reaches somebody. A critical one may break through quiet hours; nothing does through an
    absence, in which others are asked."""
    if choice.when == When.NEVER:
        return Plan((), now)
    if times.away_until and times.away_until > now:
        return Plan((), now, next_digest(times, times.away_until))
    if choice.when == When.DIGEST:
        return Plan((), now, next_digest(times, now))
    breaks_through = critical and times.critical_breaks_through
    return Plan(choice.channels, now if breaks_through else end_of_quiet(times, now))


def beyond_limit(made: Plan) -> Plan:
    """Return the plan of a notice beyond the person's limit: it goes out with the summary of the hour it was due in."""
    return Plan((), made.due_at, end_of_hour(made.due_at), beyond_limit=True)


def hour_of(at: datetime) -> datetime:
    """Return when the hour of a moment began, the same for everybody: messages are counted by it."""
    return at.astimezone(UTC).replace(minute=0, second=0, microsecond=0)


def end_of_hour(at: datetime) -> datetime:
    return hour_of(at) + HOUR


def end_of_quiet(times: Times, now: datetime) -> datetime:
    """Return when a person may be told: now, or at the end of the quiet hours that run now.

    Each night is one interval of moments, from the first time that the clock shows its beginning: where clocks are put
    back, it does not begin or end a second time.
    """
    begins, ends = times.quiet_from, times.quiet_until
    if begins is None or ends is None or begins == ends:
        return now
    today = now.astimezone(ZoneInfo(times.zone)).date()
    for day in (today - DAY, today):
        until = moment(day if begins < ends else day + DAY, ends, times.zone)
        if moment(day, begins, times.zone) <= now < until:
            return until
    return now


def next_digest(times: Times, after: datetime) -> datetime:
    """Return when the first digest after a moment is due."""
    today = after.astimezone(ZoneInfo(times.zone)).date()
    due = [moment(day, time(times.digest_hour), times.zone) for day in (today, today + DAY)]
    return due[0] if due[0] > after else due[1]


def moment(day: date, at: time, zone: str) -> datetime:
    """Return when clocks of a zone first show this time of a day or, where it is left out, when they are put forward
    over it."""
    place = ZoneInfo(zone)
    shown = datetime.combine(day, at.replace(tzinfo=None))
    first, second = (shown.replace(tzinfo=place, fold=fold).astimezone(UTC) for fold in (0, 1))
    if first <= second:
        return first
    # PEP 495: in a gap fold=0 reads the clock by the offset before it, fold=1 by the one after.
    before, after = second, first
    while after - before > timedelta(seconds=1):
        middle = before + (after - before) / 2
        if middle.astimezone(place).replace(tzinfo=None) < shown:
            before = middle
        else:
            after = middle
    return after.replace(microsecond=0)
