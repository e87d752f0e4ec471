"""What a notice says to somebody, in words that every channel uses: headline, why, lines, time left, the whole link."""

import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, tzinfo
from typing import Any

from django.conf import settings
from django.utils.encoding import iri_to_uri

from .kinds import KINDS, Kind
from .models import Notice

MOST = 200  # notices that one message holds: Gmail shows no more than 102 kB of a mail
LONGEST = 300  # characters of a line: a title is as long as its sender makes it
BLANKS = {"Cc", "Zl", "Zp"}
UNSEEN = {"Cf", "Cs"}  # also what turns the direction of reading round

# What its reader is asked to do, and the words on the link.
TO_DO = {
    "decision_required": (
        "Read the change and what is known of it, then approve it, reject it or ask for another revision.",
        "Open the patch",
    ),
    "urgent": ("Decide it before its time is over, or escalate it.", "Open the patch"),
    "reminder": ("Decide it: without a decision it ends when its time is over.", "Open the patch"),
    "escalated": ("It was raised to you: decide it.", "Open the patch"),
    "approvals_fell": ("See what changed since the revision that you approved, and review it again.", "Open the patch"),
    "changes_requested": ("Read what was asked for, and submit another revision.", "See what was asked for"),
    "decided": ("Nothing more is asked of you.", "See the decision"),
    "expired": ("It cannot be decided any more. Submit it again if it is still needed.", "See what became of it"),
    "revoked": ("It must not be deployed any more; where it was, somebody has to look at it.", "Open the patch"),
    "stand_in": ("In that time you may review in their name.", "See for how long"),
    "second_person": ("See what would change, then agree or refuse.", "See what waits"),
    "bypass_granted": ("Until it ends one person may approve alone; each use is reviewed after.", "See the bypass"),
    "bypass_used": ("A security lead who had no part in it reviews this use.", "See the bypass"),
    "deployment_alarm": ("Find out what runs there, and take it back where it should not.", "Open the patch"),
    "daily_digest": ("These are gathered once a day.", "Open your inbox"),
    "weekly_digest": ("This comes once a week.", "Open the page"),
    "summary": ("There were more notices than you are sent one by one.", "Open your inbox"),
}


@dataclass(frozen=True, slots=True)
class Line:
    """A fact with its name."""

    label: str
    value: str


@dataclass(frozen=True, slots=True)
class Gathered:
    """One of the notices that a digest or summary holds; `about` says of which kind it is, when it came and why."""

    headline: str
    about: str
    link: str


@dataclass(frozen=True, slots=True)
class Message:
    """A notice in words. `left` is the time until the first of its deadlines, '' without one; `todo` says what its
    reader is asked to do, `action` what the link opens. `items` are those of a digest or summary, and there are `more`.
    """

    kind: Kind
    headline: str
    why: str
    critical: bool
    left: str
    lines: tuple[Line, ...]
    todo: str
    action: str
    link: str
    items: tuple[Gathered, ...]
    more: int


def message_of(notice: Notice, why: str, *, zone: tzinfo, now: datetime) -> Message:
    """Return a notice in words for somebody in this time zone; `now` is when it is sent."""
    facts: Mapping[str, Any] = notice.facts
    todo, action = TO_DO[notice.kind]
    items = facts.get("items") or []
    ahead = [at for at in (moment(facts.get(name)) for name in ("due_at", "expires_at")) if at and at > now]
    return Message(
        kind=KINDS[notice.kind],
        headline=one_line(facts.get("headline")) or KINDS[notice.kind].title,
        why=one_line(why),
        critical=notice.critical,
        left=until(min(ahead), now) if ahead else "",
        lines=tuple(_lines(facts, zone, now)),
        todo=todo,
        action=action,
        link=whole_link(facts.get("link")),
        items=tuple(_gathered(one, zone) for one in items[:MOST]),
        more=max(0, len(items) - MOST) + int(facts.get("more") or 0),
    )


def one_line(value: object, longest: int = LONGEST) -> str:
    """Return a text as one line without what cannot be seen, cut where it is too long; '' for nothing."""
    text = "" if value is None else str(value)[: 4 * longest]
    kinds = [(unicodedata.category(letter), letter) for letter in text]
    seen = "".join(" " if kind in BLANKS else letter for kind, letter in kinds if kind not in UNSEEN)
    words = " ".join(seen.split())
    return words if len(words) <= longest else f"{words[: longest - 1]}…"


def whole_link(path: object) -> str:
    """Return the address of a page of ours; that of the first page for what is no path of ours."""
    text = one_line(path, 2000)
    return settings.BASE_URL + iri_to_uri(text if text.startswith("/") else "/")


def moment(value: object) -> datetime | None:
    """Return the time that an ISO text names, in UTC where it names no zone; None for anything else."""
    try:
        at = datetime.fromisoformat(str(value))
    except ValueError:
        return None
    if not 1 < at.year < 9999:  # the ends of the calendar are there in some time zones only
        return None
    return at if at.tzinfo else at.replace(tzinfo=UTC)


def at_place(at: datetime, zone: tzinfo) -> str:
    """Return a time as somebody in this zone reads it."""
    local = at.astimezone(zone)
    return f"{local.day} {local:%B %Y, %H:%M %Z}"


def until(at: datetime, now: datetime) -> str:
    """Return how far off a time is: 'in 12 min', '3 h 5 min ago'."""
    return f"in {_length(at - now)}" if at > now else f"{_length(now - at)} ago"


def _length(time: timedelta) -> str:
    minutes = int(time.total_seconds()) // 60
    days, hours, rest = minutes // 1440, minutes // 60 % 24, minutes % 60
    parts = [(days, "d"), (hours, "h"), (rest, "min")][: 2 if days else 3]
    return " ".join(f"{number} {unit}" for number, unit in parts if number) or "less than a minute"


def _lines(facts: Mapping[str, Any], zone: tzinfo, now: datetime) -> list[Line]:
    def said(name: str) -> str:
        return one_line(facts.get(name))

    def coded(name: str) -> str:
        return said(name).replace("_", " ")

    def timed(name: str) -> str:
        at = moment(facts.get(name))
        return f"{at_place(at, zone)} ({until(at, now)})" if at else ""

    patch, revision, needed = said("patch_id"), said("revision"), said("required_approvals")
    rows = [
        ("Cause", coded("cause")),
        ("Alarm", coded("alarm")),
        ("Title", said("title")),
        ("Patch", f"{patch}, revision {revision}" if patch and revision else patch),
        ("Package", said("package")),
        ("Vulnerability", said("vulnerability")),
        ("Severity", coded("severity")),
        ("Priority", coded("priority")),
        ("Policy", said("policy")),
        ("Approvals", f"{said('approvals') or '0'} of {needed}" if needed else ""),
        ("Category", coded("category")),
        ("By", said("by")),
        ("Decide by", timed("due_at")),
        ("Expires", timed("expires_at")),
        ("From", timed("starts_at")),
        ("Until", timed("until")),
    ]
    rows += [(one_line(label), one_line(value)) for label, value in facts.get("figures") or ()]
    return [Line(label, value) for label, value in rows if value]


def _gathered(item: Mapping[str, Any], zone: tzinfo) -> Gathered:
    kind, at, why = KINDS.get(str(item.get("kind"))), moment(item.get("at")), one_line(item.get("why"))
    about = [kind.title if kind else "", at_place(at, zone) if at else "", f"because {why}" if why else ""]
    return Gathered(one_line(item.get("headline")), ", ".join(filter(None, about)), whole_link(item.get("link")))
