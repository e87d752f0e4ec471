"""What comes of an attempt to deliver. Pure."""

from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum


class Outcome(Enum):
    """Delivered, worth another try, never to be tried again, of no use to anybody any more, or the receiver wants
    nothing more at all."""

    DELIVERED = "delivered"
    RETRY = "retry"
    REFUSED = "refused"
    NEEDLESS = "needless"
    GONE = "gone"


@dataclass(frozen=True, slots=True)
class Answer:
    """One attempt: the receiver's status code where it has one, a sentence without secrets, and the seconds it asks us
    to wait, and where it keeps a message that can be changed."""

    outcome: Outcome
    status: int | None = None
    error: str = ""
    retry_after: float | None = None
    receipt: str = ""


DELIVERED = Answer(Outcome.DELIVERED)

Send = Callable[[], Answer]
"""Sends one message; runs in a thread of its own, so it asks the database nothing."""
