"""What a chat is told of a delivery: the words that every channel has, what its buttons are about, and how it ends."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from notifications.messages import message_of as words_of
from notifications.messages import one_line
from notifications.models import Delivery
from notifications.queries.addressees import why_told, zone_of

HEADLINE = 150  # characters of a headline at most: all chats show that much
ITEMS = 8  # of a digest or summary; the rest is in the inbox


@dataclass(frozen=True, slots=True)
class Message:
    """One message. `link` is a whole address of ours; `decides` is the decision that its buttons are about, '' where
    the notice asks for none; `closing` is the sentence it ends with once nobody needs to act."""

    title: str
    headline: str
    why: str
    facts: list[tuple[str, str]]
    time_left: str
    link: str
    decides: str
    closing: str


def message_of(delivery: Delivery, now: datetime) -> Message:
    """Return what a delivery of a notice says; for a person one query more, which reads why they are told."""
    notice = delivery.notice
    assert notice is not None
    said = words_of(notice, why_told(delivery), zone=zone_of(delivery), now=now)
    more = len(said.items[ITEMS:]) + said.more
    facts = [(line.label, line.value) for line in said.lines]
    facts += [(item.headline, item.about) for item in said.items[:ITEMS]]
    return Message(
        title=said.kind.title,
        headline=one_line(said.headline, HEADLINE),
        why=f"You are told because {said.why}." if said.why else "",
        facts=facts + ([("More in your inbox", str(more))] if more else []),
        time_left=f"Decide {said.left}." if said.left and not delivery.closing else "",
        link=said.link,
        decides=notice.subject if said.kind.asks and _is_decision(notice.subject) else "",
        closing=delivery.closing,
    )


def _is_decision(subject: str) -> bool:
    try:
        return str(UUID(subject)) == subject
    except ValueError:
        return False
