"""Write what to tell whom, in the transaction of the caller; nothing is made into a message or sent here."""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.db import transaction
from django.db.models import Exists, OuterRef, Q
from django.db.models.functions import Coalesce

from notifications.backoff import WITHIN
from notifications.channels import is_open, of_team
from notifications.kinds import ASKING, KINDS
from notifications.models import Channel, Delivery, DeliveryState, HourlyCount, Item, Notice
from notifications.queries.preferences import choices_of, times_of
from notifications.routing import Plan, beyond_limit, default_choice, hour_of, plan
from postgresql.statements import query

COUNTED_FOR = timedelta(days=2)  # what is counted lies a day ahead where it waits for the end of quiet hours


@dataclass(frozen=True, slots=True)
class News:
    """What is told, in plain values: see `Notice`. The same `key` is told once."""

    kind: str
    key: str
    subject: str
    facts: dict[str, Any] = field(default_factory=dict)
    critical: bool = False


@transaction.atomic
def notify(
    news: News,
    people: Mapping[int, str],
    *,
    now: datetime,
    team: tuple[Channel, ...] | None = None,
    away: Mapping[int, datetime] | None = None,
) -> Notice | None:
    """Tell people, by their keys with why each of them is told, and the channels of the team (None: those that are set
    up, of kinds that go there); return the notice, None where it was told before. `away` are those among them who are
    away, with until when, beside what they chose themselves. Raise KeyError for a kind that is not in `kinds.py`. Seven
    statements, for however many people."""
    notice = _written(news, now)
    if notice is None:
        return None
    plans = _plans(notice, people, now, away or {})
    Item.objects.bulk_create(
        Item(
            person_id=person,
            notice=notice,
            why=people[person][:200],
            digest_at=made.digest_at,
            beyond_limit=made.beyond_limit,
        )
        for person, made in plans.items()
    )
    if team is None:
        team = of_team() if KINDS[news.kind].to_team else ()
    wanted: list[tuple[Channel, int | None, datetime]] = [(channel, None, now) for channel in team]
    _queue(notice, wanted + _by_person(plans), now)
    return notice


@transaction.atomic
def send_gathered(news: News, people: Collection[int], *, now: datetime) -> bool:
    """Send people what gathers items that they have, so it is no item itself; return whether it was not sent before."""
    notice = _written(news, now)
    if notice is None:
        return False
    choices, times, default = choices_of(notice.kind, people), times_of(people), default_choice(notice.kind)
    plans = {person: plan(choices.get(person, default), times[person], now, critical=news.critical) for person in times}
    _queue(notice, _by_person(plans), now)
    return True


@transaction.atomic
def settle(subject: str, *, now: datetime) -> int:
    """Say that nobody needs to act on this any more: what asks and is not yet sent is dropped, and leaves the count of
    unread items. Return how many notices that were."""
    notices = list(
        Notice.objects.select_for_update().filter(subject=subject, kind__in=ASKING, settled_at=None).values_list("pk")
    )
    keys = [key for (key,) in notices]
    if keys:
        Notice.objects.filter(pk__in=keys).update(settled_at=now)
        open_items = Item.objects.filter(Q(digest_at__isnull=False) | Q(read_at=None), notice__in=keys)
        open_items.update(digest_at=None, read_at=Coalesce("read_at", now))
        # A message that is to be changed has arrived before, and how it ends is to be told.
        Delivery.objects.filter(notice__in=keys, state=DeliveryState.PENDING, claimed_until=None, closing="").update(
            state=DeliveryState.DROPPED, ended_at=now, last_error="Nobody needs to act any more."
        )
    return len(keys)


def forget_counts(now: datetime) -> None:
    """Delete the counts of hours that no limit looks at any more."""
    HourlyCount.objects.filter(hour__lt=now - COUNTED_FOR).delete()


def _written(news: News, now: datetime) -> Notice | None:
    """Return the notice, locked; None where somebody was told of it before."""
    kind = KINDS[news.kind]
    notice = Notice(
        key=news.key, kind=kind.name, subject=news.subject, facts=news.facts, critical=news.critical, at=now
    )
    # On a conflict nothing is inserted and the row has no key.
    Notice.objects.bulk_create([notice], ignore_conflicts=True)
    told = Exists(Item.objects.filter(notice=OuterRef("pk"))) | Exists(Delivery.objects.filter(notice=OuterRef("pk")))
    return Notice.objects.select_for_update().filter(~told, key=news.key).first()


def _plans(notice: Notice, people: Collection[int], now: datetime, away: Mapping[int, datetime]) -> dict[int, Plan]:
    """Return how each of these people hears of a notice; what is beyond somebody's limit goes into a summary."""
    if not people:
        return {}
    choices, times, default = choices_of(notice.kind, people), times_of(people, away), default_choice(notice.kind)
    plans = {
        person: plan(choices.get(person, default), times[person], now, critical=notice.critical) for person in times
    }
    due = {person: made.due_at for person, made in plans.items() if made.channels}
    within = _within_limit(notice.kind, due)
    return plans | {person: beyond_limit(plans[person]) for person in due if person not in within}


# In the order of the people, so that two that tell the same people wait for each other and do not lock each other out.
# Who has had their limit is counted no further: in a storm no row is written again and again.
COUNT_SQL = """
insert into notifications_hourlycount as counted (person_id, kind, hour, notices)
select person, %(kind)s, hour, 1
from unnest(%(people)s::bigint[], %(hours)s::timestamptz[]) as due (person, hour) order by person
on conflict (person_id, kind, hour) do update set notices = counted.notices + 1 where counted.notices < %(limit)s
returning person_id
"""


def _within_limit(kind: str, due: Mapping[int, datetime]) -> set[int]:
    """Count a notice for these people in the hour it is due in, and return for whom it is within the limit."""
    if not due:
        return set()
    hours = [hour_of(at) for at in due.values()]
    values = {"kind": kind, "people": list(due), "hours": hours, "limit": settings.NOTIFICATIONS_PER_HOUR}
    return {person for (person,) in query(COUNT_SQL, values)}


def _by_person(plans: Mapping[int, Plan]) -> list[tuple[Channel, int | None, datetime]]:
    return [(channel, person, made.due_at) for person, made in plans.items() for channel in made.channels]


def _queue(notice: Notice, wanted: Iterable[tuple[Channel, int | None, datetime]], now: datetime) -> None:
    Delivery.objects.bulk_create(
        Delivery(channel=channel, notice=notice, person_id=person, due_at=due, give_up_at=due + WITHIN, created_at=now)
        for channel, person, due in wanted
        if is_open(channel)
    )
