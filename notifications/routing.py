"""How and when one person hears of one notice: at once by which channels, with a digest, or only in the inbox. Pure."""

from dataclasses import dataclass
from datetime import datetime

from .kinds import KINDS
from .models import Channel, When


@dataclass(frozen=True, slots=True)
class Choice:
    """What a person chose for a kind."""

    when: When
    channels: tuple[Channel, ...] = (Channel.MAIL,)


@dataclass(frozen=True, slots=True)
class Plan:
    """`channels` to send by, from `due_at` on; or a digest at `digest_at`. Neither: only the inbox has it."""

    channels: tuple[Channel, ...]
    due_at: datetime
    digest_at: datetime | None = None


def default_choice(kind: str) -> Choice:
    """Return how somebody hears of a kind who chose nothing."""
    return Choice(KINDS[kind].when)


def plan(choice: Choice, now: datetime) -> Plan:
    """Return how a notice reaches somebody."""
    return Plan(choice.channels if choice.when == When.AT_ONCE else (), now)
