"""When machines push and people decide: weekdays and daytime in UTC, waits log-normal."""

import math
from datetime import datetime, time, timedelta
from random import Random

DAYS = 90
OPEN, CLOSE = 7, 19  # hours of the working day
MEDIAN_WAIT = 5.5 * 60  # seconds from arrival to verdict; second approvals and nights make it six
SPREAD = 0.85  # sigma of the logarithm: one in twenty waits four times the median
LATEST = timedelta(hours=4)  # nothing arrives later than this before now, so that all of it is decided
WEEKEND = 0.12  # what a day of it gets of a working day's pushes
# Pushes an hour: few at night, most in the late morning and after lunch.
BY_HOUR = (1, 1, 1, 1, 1, 2, 6, 18, 34, 44, 46, 40, 26, 34, 42, 40, 32, 22, 12, 6, 3, 2, 1, 1)


def arrivals(rng: Random, now: datetime, count: int) -> list[datetime]:
    """Return that many moments of the last 90 days at which something is pushed, in order."""
    days = [datetime.combine((now - timedelta(days=day)).date(), time(), now.tzinfo) for day in range(DAYS + 1)]
    weights = [WEEKEND if day.weekday() >= 5 else 1.0 for day in days]
    moments: list[datetime] = []
    while len(moments) < count:
        day, hour = rng.choices(days, weights)[0], rng.choices(range(24), BY_HOUR)[0]
        at = day + timedelta(hours=hour, seconds=rng.uniform(0, 3600))
        if now - timedelta(days=DAYS) < at < now - LATEST:
            moments.append(at)
    return sorted(moments)


def decided_at(rng: Random, at: datetime, urgent: bool) -> datetime:
    """Return when a person answers what arrived: at night only if it is urgent, otherwise on the next morning."""
    answer = at + wait(rng)
    if urgent or working(answer):
        return answer
    return next_morning(answer) + wait(rng)


def wait(rng: Random, median: float = MEDIAN_WAIT) -> timedelta:
    """Return a log-normal wait, 30 s to an hour."""
    return timedelta(seconds=min(3600.0, max(30.0, rng.lognormvariate(math.log(median), SPREAD))))


def working(at: datetime) -> bool:
    return at.weekday() < 5 and OPEN <= at.hour < CLOSE


def next_morning(at: datetime) -> datetime:
    """Return the next time at which a working day begins."""
    morning = at.replace(hour=OPEN, minute=0, second=0, microsecond=0)
    while morning <= at or morning.weekday() >= 5:
        morning += timedelta(days=1)
    return morning
