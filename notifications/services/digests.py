"""Gather what waits for a person into one message: the daily digest, the summary of what is beyond a limit, the weekly
digest. Each is sent once, whoever else gathers at the same time: its key names the person and the day or hour."""

from collections.abc import Iterable, Mapping
from datetime import datetime, time, timedelta
from itertools import groupby
from typing import Any
from zoneinfo import ZoneInfo

from django.db import transaction
from django.db.models import QuerySet

from notifications.kinds import KINDS
from notifications.models import Item, Notice, Preference, When
from notifications.queries.preferences import times_of
from notifications.routing import DAY, Times, end_of_hour, hour_of, moment, next_digest
from notifications.services.notices import News, notify, send_gathered
from postgresql.statements import lock_name

LISTED = 100  # notices that one message names; the rest is a number
GATHERING = 18  # the kind of the lock on a person
INBOX = "/inbox"


def gather_due(now: datetime) -> int:
    """Send the digests and summaries that are due, each person's in a transaction; return how many people that were."""
    due = Item.objects.filter(digest_at__lte=now)
    people = list(due.order_by().values_list("person", flat=True).distinct())
    for person in people:
        _gather(person, now)
    return len(people)


@transaction.atomic
def _gather(person: int, now: datetime) -> None:
    # Another worker that gathers for this person waits here, and then finds nothing due.
    lock_name(str(person), GATHERING)
    # What is just being settled stays for the next time: who settles locks items of one notice after the other.
    free = Item.objects.select_for_update(of=("self",), skip_locked=True).filter(person=person, digest_at__lte=now)
    due = list(free.select_related("notice").defer("notice__facts").order_by("beyond_limit", "pk"))
    times = times_of([person]).get(person)
    if times and times.away_until and times.away_until > now:
        _rows(due).update(digest_at=next_digest(times, times.away_until), beyond_limit=False)
        return
    _rows(due).update(digest_at=None)
    for beyond_limit, items in groupby(due, lambda item: item.beyond_limit):
        # What its person has read, or nobody need act on any more, is no news.
        news = [item for item in items if item.read_at is None and item.notice.settled_at is None]
        if not news or times is None:
            continue
        gathered, later = _summary(news, now) if beyond_limit else _digest(news, times, now)
        if not send_gathered(gathered, [person], now=now):
            _rows(news).update(digest_at=later)  # was written after the message was: it is in the next one


def _rows(items: Iterable[Item]) -> QuerySet[Item]:
    return Item.objects.filter(pk__in=[item.pk for item in items])


def _digest(items: list[Item], times: Times, now: datetime) -> tuple[News, datetime]:
    """Return the digest of a day, and when the one after is due. The day is that of the person, on which it was due."""
    day = min(filter(None, (item.digest_at for item in items))).astimezone(ZoneInfo(times.zone)).date()
    headline = f"{_number(len(items))} for you today"
    return _gathered("daily_digest", f"{day}", headline, items), next_digest(times, now)


def _summary(items: list[Item], now: datetime) -> tuple[News, datetime]:
    """Return the summary of an hour, and when the one after is due."""
    hour = hour_of(now)
    kinds = sorted({KINDS[item.notice.kind].title for item in items})
    headline = f"{_number(len(items))} more than you are sent one by one: {', '.join(kinds)}"
    return _gathered("summary", f"{hour:%Y-%m-%dT%H}", headline, items), end_of_hour(now)


def _number(items: int) -> str:
    return f"{items:,} notice{'' if items == 1 else 's'}"


def _gathered(kind: str, when: str, headline: str, items: list[Item]) -> News:
    """Return what names these items: those first that ask somebody to act, of these the critical ones, then the newest;
    `more` is how many there are beyond those listed."""
    first = sorted(items, key=lambda item: (not KINDS[item.notice.kind].asks, not item.notice.critical, -item.pk))
    listed = first[:LISTED]
    facts_of = dict(Notice.objects.filter(pk__in=[item.notice_id for item in listed]).values_list("pk", "facts"))
    person = items[0].person_id
    facts = {
        "headline": headline,
        "link": INBOX,
        "why": "you have not read these yet",
        "items": [_line(item, facts_of[item.notice_id]) for item in listed],
        "more": len(items) - len(listed),
    }
    critical = any(item.notice.critical for item in items)
    return News(kind, f"{kind}:{person}:{when}", f"person:{person}", facts, critical)


def _line(item: Item, facts: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "kind": item.notice.kind,
        "headline": facts.get("headline", ""),
        "link": facts.get("link", INBOX),
        "why": item.why,
        "at": item.notice.at.isoformat(),
    }


def weekly_due(now: datetime) -> dict[int, str]:
    """Return whose weekly digest is due now, with its key: who chose it, from their digest hour of their Monday on, for
    a day. Two queries."""
    chosen = Preference.objects.filter(kind="weekly_digest").exclude(when=When.NEVER)
    due = {}
    for person, times in times_of(list(chosen.values_list("person", flat=True))).items():
        today = now.astimezone(ZoneInfo(times.zone)).date()
        monday = today - timedelta(days=today.weekday())
        begins = moment(monday, time(times.digest_hour), times.zone)
        if begins <= now < begins + DAY:
            due[person] = f"weekly_digest:{person}:{monday}"
    sent = set(Notice.objects.filter(key__in=due.values()).values_list("key", flat=True))
    return {person: key for person, key in due.items() if key not in sent}


def send_weekly(due: Mapping[int, str], facts: Mapping[str, Any], now: datetime) -> int:
    """Send these people, with the keys from `weekly_due`, what their install did in a week: `facts` in plain values,
    with `headline` and `link` among them; return how many it was sent to."""
    told = [
        notify(News("weekly_digest", key, f"person:{person}", dict(facts)), {person: "you chose it"}, now=now)
        for person, key in due.items()
    ]
    return sum(notice is not None for notice in told)
