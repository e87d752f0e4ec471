"""When a failed delivery is tried again: exponential backoff with jitter, for a day. Pure."""

from datetime import datetime, timedelta

FIRST = 10.0  # seconds
LONGEST = 4 * 3600.0
WITHIN = timedelta(hours=24)
"""How long after it was due a delivery is tried."""


def next_try(attempts: int, give_up_at: datetime, now: datetime, jitter: float, asked: float | None) -> datetime | None:
    """Return when to try again after so many attempts; None where that is too late. `jitter` is from 0 to 1 and spreads
    the pause from half of it to one and a half; `asked` are the seconds the receiver wants us to wait at least."""
    pause = min(FIRST * 2 ** min(attempts - 1, 20), LONGEST) * (0.5 + jitter)
    at = now + timedelta(seconds=max(pause, min(asked or 0.0, LONGEST)))
    return at if at <= give_up_at else None
