"""What a chat is told of a delivery, in plain values: the words without their layout, which each chat has its own."""

import unicodedata
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from django.conf import settings

from notifications.kinds import KINDS
from notifications.models import Delivery, Item

HEADLINE, VALUE = 150, 300
"""Characters of a headline and of any other value at most: all chats show that much."""
LABELS = {
    "title": "Title",
    "package": "Package",
    "vulnerability": "Vulnerability",
    "severity": "Severity",
    "priority": "Priority",
    "policy": "Policy",
    "by": "By",
    "cause": "Cause",
    "category": "Category",
    "alarm": "Alarm",
}
"""Facts that are shown where they are there, in this order, as they are called."""
HIDDEN = {"Cc", "Cf", "Co", "Cn", "Cs", "Zl", "Zp"}
"""Unicode categories of what is not seen or turns text around: controls, directions, joiners, line separators."""


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
    kind, facts = KINDS[notice.kind], notice.facts
    shown = [(label, plain(facts[name], VALUE)) for name, label in LABELS.items() if facts.get(name)]
    if facts.get("required_approvals"):
        shown.append(("Approvals", f"{facts.get('approvals', 0)} of {facts['required_approvals']}"))
    return Message(
        title=kind.title,
        headline=plain(facts.get("headline") or kind.title, HEADLINE),
        why=_why(delivery),
        facts=shown,
        time_left="" if delivery.closing else time_left(facts, now),
        link=_address(str(facts.get("link", ""))),
        decides=notice.subject if kind.asks and _is_decision(notice.subject) else "",
        closing=delivery.closing,
    )


def plain(value: Any, most: int) -> str:
    """Return a value as one line of text in which nothing is hidden or turned around, cut to so many characters."""
    shown = "".join("\N{REPLACEMENT CHARACTER}" if _is_hidden(one) else one for one in " ".join(str(value).split()))
    return shown if len(shown) <= most else f"{shown[: most - 1]}…"


def time_left(facts: dict[str, Any], now: datetime) -> str:
    """Return how long there is to decide, to whichever end is still ahead and comes first, that of the SLA or of all
    time; '' where neither is known."""
    due, end = (datetime.fromisoformat(at) if (at := facts.get(name)) else None for name in ("due_at", "expires_at"))
    if end is not None and end <= now:
        return "The time to decide is over."
    ahead = min((at for at in (due, end) if at is not None and at > now), default=None)
    if ahead is None:
        return "The time of the SLA is over." if due else ""
    seconds = (ahead - now).total_seconds()
    unit, length = next(((unit, length) for unit, length in UNITS if seconds >= length), UNITS[-1])
    number = int(seconds // length)
    return f"{number} {unit}{'' if number == 1 else 's'} left, until {ahead:%d %b %Y %H:%M} UTC"


UNITS = [("day", 86_400), ("hour", 3600), ("minute", 60)]


def _why(delivery: Delivery) -> str:
    if delivery.person_id is None:
        return ""
    why = (
        Item.objects.filter(notice=delivery.notice_id, person=delivery.person_id).values_list("why", flat=True).first()
    )
    return f"You are told because {plain(why, VALUE)}." if why else ""


def _address(path: str) -> str:
    # Behind our own address only a path stays ours: "@elsewhere" would make a user name of it.
    return f"{settings.BASE_URL}{path if path.startswith('/') else '/'}"


def _is_decision(subject: str) -> bool:
    try:
        return str(UUID(subject)) == subject
    except ValueError:
        return False


def _is_hidden(character: str) -> bool:
    return unicodedata.category(character) in HIDDEN
