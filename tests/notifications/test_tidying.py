"""What is over goes after a month, what was given up after three, and what somebody has not read stays."""

from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from notifications.jobs import tidy_deliveries
from notifications.models import Delivery, Endpoint, Item, Notice
from notifications.services.notices import News, notify

pytestmark = pytest.mark.django_db
DAY = timedelta(days=1)


def test_deliveries_go_by_their_state_and_age() -> None:
    now = timezone.now()
    endpoint = Endpoint.objects.create(name="a", url="https://example.org/", created_at=now)
    ages = [(state, age) for state in ("delivered", "dropped", "dead") for age in (29, 31, 89, 91)]
    for position, (state, age) in enumerate(ages, start=1):
        at = now - age * DAY
        Delivery.objects.create(
            channel="webhook",
            endpoint=endpoint,
            position=position,
            state=state,
            due_at=at,
            give_up_at=at,
            created_at=at,
            ended_at=at,
        )
    waiting = now - 200 * DAY
    Delivery.objects.create(
        channel="webhook", endpoint=endpoint, position=99, due_at=now, give_up_at=now, created_at=waiting
    )
    tidy_deliveries(0)
    left = Delivery.objects.order_by("position").values_list("state", "position")
    assert [state for state, _ in left] == ["delivered", "dropped", "dead", "dead", "dead", "pending"]


def test_what_somebody_has_not_read_stays_with_its_notice(alice: Any, bob: Any) -> None:
    now = timezone.now()
    for key in ("read", "unread"):
        notify(News("stand_in", key, key), {alice.pk: "you", bob.pk: "you"}, now=now - 60 * DAY)
    Delivery.objects.update(state="delivered", ended_at=now - 60 * DAY)
    Item.objects.filter(notice__key="read").update(read_at=now - 31 * DAY)
    Item.objects.filter(notice__key="unread", person=alice).update(read_at=now - 29 * DAY)
    tidy_deliveries(0)
    assert list(Notice.objects.values_list("key", flat=True)) == ["unread"]
    assert Item.objects.count() == 2
    assert Delivery.objects.count() == 0
