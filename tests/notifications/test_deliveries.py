"""Deliveries on their way: at least once, in order to an endpoint, with growing pauses, and given up after a day."""

import threading
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.utils import timezone

from notifications.answers import DELIVERED, Answer, Outcome
from notifications.backoff import LONGEST, next_try
from notifications.channels import CHANNELS
from notifications.models import Channel, Delivery, Endpoint
from notifications.services import deliveries
from notifications.services.notices import News, notify, settle

pytestmark = pytest.mark.django_db

DOWN = Answer(Outcome.RETRY, 503, "The server answers 503.")


@pytest.fixture
def receiver(monkeypatch: pytest.MonkeyPatch) -> Callable[..., list[Any]]:
    """Return what makes every channel answer in turn as it is told (the last answer stays), and keeps what came."""

    def answer(*answers: Answer) -> list[Any]:
        came: list[Any] = []
        to_come = list(answers)

        def prepare(delivery: Delivery) -> Callable[[], Answer]:
            def send() -> Answer:
                came.append(delivery.position if delivery.endpoint_id else delivery.person_id)
                return to_come.pop(0) if len(to_come) > 1 else to_come[0]

            return send

        for channel in Channel:
            monkeypatch.setitem(CHANNELS, channel, prepare)
        return came

    return answer


@pytest.fixture
def endpoint() -> Endpoint:
    return Endpoint.objects.create(name="deployer", url="https://example.org/", created_at=timezone.now())


def queued(endpoint: Endpoint, *positions: int) -> None:
    now = timezone.now()
    for position in positions:
        Delivery.objects.create(
            channel=Channel.WEBHOOK,
            endpoint=endpoint,
            position=position,
            payload=str(position),
            due_at=now,
            give_up_at=now + timedelta(hours=24),
            created_at=now,
        )


def test_a_delivery_that_arrived_is_done(receiver: Any, alice: Any) -> None:
    came = receiver(DELIVERED)
    notify(News("stand_in", "1", "1"), {alice.pk: "you were asked"}, now=timezone.now())
    assert deliveries.deliver_due(timezone.now()) == 1
    assert deliveries.deliver_due(timezone.now()) == 0
    assert came == [alice.pk]
    assert Delivery.objects.get().state == "delivered"


def test_an_endpoint_gets_its_deliveries_in_order_and_none_past_one_that_failed(
    receiver: Any, endpoint: Endpoint
) -> None:
    came = receiver(DELIVERED, DOWN, DELIVERED)
    queued(endpoint, 3, 1, 2)
    deliveries.deliver_due(timezone.now())
    assert came == [1, 2]
    assert deliveries.deliver_due(timezone.now()) == 0, "the next one waits for the one that failed"
    deliveries.deliver_due(timezone.now() + timedelta(minutes=1))
    assert came == [1, 2, 2, 3]
    endpoint.refresh_from_db()
    assert (endpoint.state, endpoint.failing_since) == ("active", None)


def test_pauses_grow_and_a_day_is_the_end() -> None:
    now = timezone.now()
    end = now + timedelta(hours=24)
    pauses = [next_try(attempts, end, now, 0.5, None) - now for attempts in range(1, 12)]  # type: ignore[operator]
    assert pauses == sorted(pauses)
    assert (pauses[0].total_seconds(), pauses[-1].total_seconds()) == (10, 10_240)
    assert next_try(1_000, end, now, 0.5, None) == now + timedelta(seconds=LONGEST)
    assert next_try(1, end, end, 0.5, None) is None
    assert next_try(1, end, now, 0.5, 120.0) == now + timedelta(minutes=2)


def test_a_delivery_that_never_arrives_is_given_up_and_can_be_sent_again(receiver: Any, endpoint: Endpoint) -> None:
    receiver(DOWN)
    queued(endpoint, 1)
    deliveries.deliver_due(timezone.now())
    Delivery.objects.update(due_at=timezone.now(), give_up_at=timezone.now())
    deliveries.deliver_due(timezone.now())
    dead = Delivery.objects.get()
    assert (dead.state, dead.attempts, dead.last_status, dead.last_error) == ("dead", 2, 503, DOWN.error)
    came = receiver(DELIVERED)
    assert deliveries.replay([dead.pk], now=timezone.now()) == 1
    deliveries.deliver_due(timezone.now())
    assert (came, Delivery.objects.get().state) == ([1], "delivered")


@pytest.mark.parametrize(
    ("answer", "failing_days", "state"),
    [(Answer(Outcome.GONE, 410), 0, "disabled"), (DOWN, 3, "disabled"), (DOWN, 2, "failing")],
)
def test_an_endpoint_that_is_gone_or_fails_for_three_days_is_disabled_and_loses_nothing(
    receiver: Any, endpoint: Endpoint, answer: Answer, failing_days: int, state: str
) -> None:
    came = receiver(answer)
    queued(endpoint, 1, 2)
    if failing_days:
        Endpoint.objects.update(state="failing", failing_since=timezone.now() - timedelta(days=failing_days))
    deliveries.deliver_due(timezone.now())
    endpoint.refresh_from_db()
    assert endpoint.state == state
    assert came == [1]
    assert set(Delivery.objects.values_list("state", flat=True)) == {"pending"}
    if state == "disabled":
        assert deliveries.deliver_due(timezone.now() + timedelta(hours=5)) == 0


def test_a_fault_of_ours_with_one_message_keeps_no_other_back(
    receiver: Any, monkeypatch: pytest.MonkeyPatch, alice: Any, endpoint: Endpoint
) -> None:
    came = receiver(DELIVERED)
    monkeypatch.setitem(CHANNELS, Channel.MAIL, lambda delivery: 1 / 0)
    notify(News("stand_in", "1", "1"), {alice.pk: "you were asked"}, now=timezone.now())
    queued(endpoint, 1)
    deliveries.deliver_due(timezone.now())
    assert came == [1]
    kept = Delivery.objects.get(channel="mail")
    assert (kept.state, kept.attempts) == ("pending", 1)


def test_what_was_settled_meanwhile_is_not_sent(receiver: Any, alice: Any) -> None:
    came = receiver(DELIVERED)
    notify(News("decision_required", "1", "1"), {alice.pk: "you review"}, now=timezone.now())
    [claimed] = deliveries.claim(timezone.now())
    settle("1", now=timezone.now())
    assert Delivery.objects.get(pk=claimed).state == "pending", "whoever claimed it says what became of it"
    Delivery.objects.update(claimed_until=None)
    deliveries.deliver_due(timezone.now())
    assert (came, Delivery.objects.get().state) == ([], "dropped")


@pytest.mark.django_db(transaction=True)
def test_two_workers_send_nothing_twice_and_a_claim_of_a_dead_one_ends(receiver: Any, endpoint: Endpoint) -> None:
    came = receiver(DELIVERED)
    queued(endpoint, *range(1, 8))
    now = timezone.now()
    claims: list[list[Any]] = []

    def claim() -> None:
        claims.append(deliveries.claim(now))
        connection.close()

    threads = [threading.Thread(target=claim) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(map(len, claims)) == [0, 0, 0, 7]
    assert deliveries.deliver_due(now) == 0
    assert deliveries.deliver_due(now + deliveries.CLAIM + timedelta(seconds=1)) == 7
    assert came == list(range(1, 8))
