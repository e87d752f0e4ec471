"""Write what to tell whom, in the transaction of the caller; nothing is made into a message or sent here."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from django.db import transaction

from notifications.backoff import WITHIN
from notifications.channels import of_team
from notifications.kinds import ALL_KINDS, KINDS
from notifications.models import Channel, Delivery, DeliveryState, Item, Notice, Preference, When
from notifications.routing import Choice, default_choice, plan

ASKING = [kind.name for kind in ALL_KINDS if kind.asks]


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
    news: News, people: Mapping[int, str], *, now: datetime, team: tuple[Channel, ...] | None = None
) -> Notice | None:
    """Tell people, by their keys with why each of them is told, and the channels of the team (None: those that are set
    up, of kinds that go there); return the notice, None where it was told before. Raise KeyError for a kind that is not
    in `kinds.py`."""
    kind = KINDS[news.kind]
    if team is None:
        team = of_team() if kind.to_team else ()
    notice = Notice(
        key=news.key, kind=kind.name, subject=news.subject, facts=news.facts, critical=news.critical, at=now
    )
    # On a conflict nothing is inserted and the row has no key.
    Notice.objects.bulk_create([notice], ignore_conflicts=True)
    notice = Notice.objects.select_for_update().get(key=news.key)
    if notice.items.exists() or notice.deliveries.exists():
        return None
    choices = _choices(kind.name, people)
    plans = {person: plan(choices.get(person, default_choice(kind.name)), now) for person in people}
    Item.objects.bulk_create(
        Item(person_id=person, notice=notice, why=people[person][:200], digest_at=plans[person].digest_at)
        for person in people
    )
    wanted: list[tuple[Channel, int | None, datetime]] = [(channel, None, now) for channel in team]
    wanted += [(channel, person, made.due_at) for person, made in plans.items() for channel in made.channels]
    Delivery.objects.bulk_create(
        Delivery(channel=channel, notice=notice, person_id=person, due_at=due, give_up_at=due + WITHIN, created_at=now)
        for channel, person, due in wanted
    )
    return notice


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
        Item.objects.filter(notice__in=keys, digest_at__isnull=False).update(digest_at=None)
        # A message that is to be changed has arrived before, and how it ends is to be told.
        Delivery.objects.filter(notice__in=keys, state=DeliveryState.PENDING, claimed_until=None, closing="").update(
            state=DeliveryState.DROPPED, ended_at=now, last_error="Nobody needs to act any more."
        )
    return len(keys)


def _choices(kind: str, people: Mapping[int, str]) -> dict[int, Choice]:
    rows = Preference.objects.filter(kind=kind, person__in=list(people))
    return {row.person_id: Choice(When(row.when), tuple(map(Channel, row.channels))) for row in rows}
