"""Endpoints that are told of decisions: what the feed says becomes deliveries, in the feed's order."""

import json
from datetime import datetime

from django.conf import settings
from django.db import transaction

from approvals.policy.visible_fields import shown
from approvals.queries.composed import feed_items
from approvals.queries.endpoints import Audience, audience_of, live, newest_position
from audit.log import Actor, Subject, record
from audit.models import ActorKind
from notifications.backoff import WITHIN
from notifications.formats import FORMATS, About, Item
from notifications.models import Channel, Delivery, DeliveryState, Endpoint, EndpointState, new_id

HEALTH = Actor("system:deliveries", ActorKind.SERVICE, "Deliveries")
MOST_PENDING = 1_000
"""Deliveries that wait for one endpoint: further items stay in the feed, where their day does not run out."""


def tell_endpoints(now: datetime, limit: int = 200) -> int:
    """Make a delivery of each item of the feed that an endpoint has not got yet, up to `limit` items for each; return
    how many items were looked at. Safe to run twice or at the same time: each endpoint's position is locked."""
    behind = live().exclude(state=EndpointState.DISABLED).filter(position__lt=newest_position())
    return sum(_tell(key, now, limit) for key in behind.order_by("pk").values_list("pk", flat=True))


@transaction.atomic
def _tell(key: int, now: datetime, limit: int) -> int:
    endpoint = Endpoint.objects.select_for_update(skip_locked=True).filter(pk=key, removed_at=None).first()
    audience = audience_of(endpoint.audience, now) if endpoint else None
    if endpoint is None or audience is None or _is_full(endpoint):
        return 0
    items = feed_items(endpoint.position, limit)
    mine = [json.loads(item.text) for item in items if audience.producer_id in (None, item.producer_id)]
    Delivery.objects.bulk_create(delivery_of(endpoint, item, audience, now) for item in mine)
    if items:
        endpoint.position = json.loads(items[-1].text)["position"]
        endpoint.save(update_fields=["position"])
    return len(items)


def _is_full(endpoint: Endpoint) -> bool:
    waiting = Delivery.objects.filter(endpoint=endpoint, state=DeliveryState.PENDING)
    return waiting.order_by("position")[MOST_PENDING - 1 : MOST_PENDING].exists()


def delivery_of(endpoint: Endpoint, item: Item, audience: Audience, now: datetime) -> Delivery:
    """Return the delivery of an item, unsaved, as the endpoint's reader sees it."""
    key, seen = new_id(), shown(item, audience.reader)
    page = f"{settings.BASE_URL}/patches/{item['decision_id']}"
    body = FORMATS[endpoint.format].compose(seen, About(key, endpoint.audience.partition(":")[2], page))
    return Delivery(
        id=key,
        channel=Channel.WEBHOOK,
        endpoint=endpoint,
        position=item["position"],
        payload=json.dumps(body, separators=(",", ":"), ensure_ascii=False),
        due_at=now,
        give_up_at=now + WITHIN,
        created_at=now,
    )


def note_disabled(now: datetime) -> int:
    """Write an entry for each endpoint that its failures disabled since; return how many there were."""
    unnoted = live().filter(state=EndpointState.DISABLED, noted=False)
    return sum(_note(key, now) for key in unnoted.values_list("pk", flat=True))


@transaction.atomic
def _note(key: int, now: datetime) -> int:
    unnoted = Endpoint.objects.select_for_update().filter(removed_at=None, state=EndpointState.DISABLED, noted=False)
    endpoint = unnoted.filter(pk=key).first()
    if endpoint is None:
        return 0
    endpoint.noted = True
    endpoint.save(update_fields=["noted"])
    record("endpoint.disabled", actor=HEALTH, at=now, subject=subject_of(endpoint), data={"why": endpoint.disabled_why})
    return 1


def subject_of(endpoint: Endpoint) -> Subject:
    """Return what entries about an endpoint are about."""
    return Subject("endpoint", str(endpoint.pk), endpoint.name)
