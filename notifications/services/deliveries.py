"""Take due deliveries, send them and record what came of it. Their only writer after `notices`.

Messages are made and sent outside any transaction. A worker that dies while it sends leaves a claim that ends by
itself; then somebody else sends the same message, with the same id, again.
"""

import logging
import random
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from itertools import groupby
from uuid import UUID

from django.db import transaction
from django.utils import timezone

from notifications.answers import Answer, Outcome, Send
from notifications.backoff import WITHIN, next_try
from notifications.channels import CHANNELS
from notifications.models import Channel, Delivery, DeliveryState, Endpoint, EndpointState
from postgresql.statements import query

log = logging.getLogger(__name__)

AT_ONCE = 8  # receivers that are called at the same time
IN_A_ROW = 20  # deliveries to one endpoint that one claim takes
CLAIM = timedelta(minutes=10)  # longer than IN_A_ROW calls that all run into their time limits
DISABLE_AFTER = timedelta(days=3)

# To an endpoint one after the other: a claim takes its first pending ones, and none while another claim has them.
CLAIM_SQL = """
with first as (
    (select id from notifications_delivery
     where state = 'pending' and endpoint_id is null and due_at <= %(now)s
        and (claimed_until is null or claimed_until < %(now)s)
     order by due_at limit %(people)s for update skip locked)
), free as (
    select endpoint.id from notifications_endpoint endpoint
    where endpoint.state <> 'disabled' and endpoint.removed_at is null and exists (
        select from (
            select due_at, claimed_until from notifications_delivery
            where endpoint_id = endpoint.id and state = 'pending' order by position limit 1
        ) head
        where head.due_at <= %(now)s and (head.claimed_until is null or head.claimed_until < %(now)s)
    )
    order by endpoint.id limit %(endpoints)s for no key update skip locked
), queued as (
    select delivery.id from free cross join lateral (
        select id from notifications_delivery
        where endpoint_id = free.id and state = 'pending' order by position limit %(in_a_row)s
    ) delivery
)
update notifications_delivery set claimed_until = %(until)s
where id in (select id from first union all select id from queued)
returning id
"""


def deliver_due(now: datetime) -> int:
    """Send what is due, up to `AT_ONCE` receivers at the same time; return how many deliveries were claimed."""
    claimed = claim(now)
    if not claimed:
        return 0
    rows = Delivery.objects.filter(pk__in=claimed).select_related("notice", "person__hours", "endpoint")
    in_order = rows.order_by("endpoint", "position", "id")
    lanes = [
        [(delivery, _prepare(delivery)) for delivery in lane]
        for _, lane in groupby(in_order, lambda delivery: delivery.endpoint_id or delivery.pk)
    ]
    with ThreadPoolExecutor(AT_ONCE, "deliver") as threads:
        for answers in threads.map(_send_in_order, lanes):
            record(answers, timezone.now())
    return len(claimed)


def claim(now: datetime) -> list[UUID]:
    """Mark due deliveries as being sent until the claim ends, and return their ids."""
    values = {
        "now": now,
        "until": now + CLAIM,
        "people": AT_ONCE * 2,
        "endpoints": AT_ONCE,
        "in_a_row": IN_A_ROW,
    }
    return [key for (key,) in query(CLAIM_SQL, values)]


ENDS = {
    Outcome.DELIVERED: DeliveryState.DELIVERED,
    Outcome.REFUSED: DeliveryState.DEAD,
    Outcome.NEEDLESS: DeliveryState.DROPPED,
}
Answered = list[tuple[Delivery, Answer | None]]
"""Deliveries of one receiver with what came of each; None where it was not tried, because one before it failed."""


def _prepare(delivery: Delivery) -> Send | Answer:
    if delivery.notice and delivery.notice.settled_at and not delivery.closing:
        return Answer(Outcome.NEEDLESS, error="Nobody needs to act any more.")
    try:
        return CHANNELS[Channel(delivery.channel)](delivery)
    except Exception:
        return _own_fault(delivery)


def _send_in_order(lane: list[tuple[Delivery, Send | Answer]]) -> Answered:
    answered: Answered = []
    stopped = False
    for delivery, send in lane:
        answer = None if stopped else send if isinstance(send, Answer) else _call(delivery, send)
        stopped = stopped or answer is None or answer.outcome is not Outcome.DELIVERED
        answered.append((delivery, answer))
    return answered


def _call(delivery: Delivery, send: Send) -> Answer:
    try:
        return send()
    except Exception:
        return _own_fault(delivery)


def _own_fault(delivery: Delivery) -> Answer:
    # One message that cannot be made or sent must not keep the others back.
    log.exception("Delivery %s by %s failed in HITL itself", delivery.pk, delivery.channel)
    return Answer(Outcome.RETRY, error="HITL could not make or send it: see the worker's log.")


@transaction.atomic
def record(answered: Answered, now: datetime) -> None:
    """Write what came of the deliveries of one receiver, and how its endpoint is."""
    for delivery, answer in answered:
        _record(delivery, answer, now)
    tried = [answer for _, answer in answered if answer]
    endpoint = answered[0][0].endpoint
    if endpoint and tried:
        _record_health(endpoint, tried, now)


def _record(delivery: Delivery, answer: Answer | None, now: datetime) -> None:
    delivery.claimed_until = None
    if answer is not None:
        delivery.attempts += 1
        delivery.last_status, delivery.last_error = answer.status, answer.error[:300]
        delivery.receipt = answer.receipt or delivery.receipt
        _move(delivery, answer, now)
    # Guarded: a claim that ran out while we were sending may have been ended by somebody else.
    Delivery.objects.filter(pk=delivery.pk, state=DeliveryState.PENDING).update(
        claimed_until=None,
        attempts=delivery.attempts,
        last_status=delivery.last_status,
        last_error=delivery.last_error,
        receipt=delivery.receipt,
        state=delivery.state,
        due_at=delivery.due_at,
        ended_at=delivery.ended_at,
    )


def _move(delivery: Delivery, answer: Answer, now: datetime) -> None:
    if answer.outcome in ENDS:
        delivery.state, delivery.ended_at = ENDS[answer.outcome], now
    else:  # also where the receiver is gone: its endpoint is disabled, and goes on from here once somebody enables it
        jitter = random.random()  # noqa: S311  # spreads retries; nobody gains by guessing it
        due = next_try(delivery.attempts, delivery.give_up_at, now, jitter, answer.retry_after)
        if due is None:
            delivery.state, delivery.ended_at = DeliveryState.DEAD, now
        else:
            delivery.due_at = due


def _record_health(endpoint: Endpoint, answers: list[Answer], now: datetime) -> None:
    answer = answers[-1]
    state, since, why = EndpointState.ACTIVE, None, ""
    arrived = {"delivered_at": now} if answers[0].outcome is Outcome.DELIVERED else {}
    if answer.outcome is not Outcome.DELIVERED:
        state, since = EndpointState.FAILING, (None if arrived else endpoint.failing_since) or now
        if answer.outcome is Outcome.GONE:
            state, why = EndpointState.DISABLED, "It answered that it is gone."
        elif now - since >= DISABLE_AFTER:
            state, why = EndpointState.DISABLED, f"Nothing arrived for {DISABLE_AFTER.days} days."
    Endpoint.objects.filter(pk=endpoint.pk).exclude(state=EndpointState.DISABLED).update(
        state=state, failing_since=since, disabled_why=why, **arrived
    )


def replay(deliveries: Iterable[UUID], *, now: datetime) -> int:
    """Send these again that were given up, dropped or delivered; return how many that are."""
    rows = Delivery.objects.filter(pk__in=list(deliveries)).exclude(state=DeliveryState.PENDING)
    return rows.update(
        state=DeliveryState.PENDING, ended_at=None, due_at=now, give_up_at=now + WITHIN, attempts=0, claimed_until=None
    )


def close(subject: str, sentence: str, *, now: datetime) -> int:
    """End the messages about a subject that can be changed with a sentence, once, by sending each again; return how
    many that are. One that is just being sent is left to the next call."""
    rows = Delivery.objects.filter(notice__subject=subject, closing="").exclude(receipt="")
    return rows.exclude(state=DeliveryState.PENDING).update(
        closing=sentence[:300],
        state=DeliveryState.PENDING,
        ended_at=None,
        due_at=now,
        give_up_at=now + WITHIN,
        attempts=0,
        claimed_until=None,
    )


def begin_again(endpoint: Endpoint, *, now: datetime) -> None:
    """Give what waits for an endpoint its whole day from now on."""
    Delivery.objects.filter(endpoint=endpoint, state=DeliveryState.PENDING).update(
        due_at=now, give_up_at=now + WITHIN, attempts=0
    )


def drop(endpoint: Endpoint, why: str, *, now: datetime) -> None:
    """Send nothing more of what waits for an endpoint."""
    Delivery.objects.filter(endpoint=endpoint, state=DeliveryState.PENDING).update(
        state=DeliveryState.DROPPED, ended_at=now, last_error=why
    )
