"""Create and change producers, each with its audit entry. Their only writer."""

from datetime import datetime
from typing import Any

from django.db import transaction

from approvals.errors import Invalid
from approvals.models import Producer
from audit.log import Actor, Subject, record

MAX_NAME = 100


def check_name(name: str) -> None:
    """Raise Invalid unless a producer or token may have this name."""
    if not name.strip() or len(name) > MAX_NAME or not name.isprintable():
        raise Invalid(f"A name has 1 to {MAX_NAME} printable characters.", field="name")


def ensure_producer(name: str, *, actor: Actor, now: datetime) -> Producer:
    """Return the producer of that name; create it, trusted for nothing, if there is none. Raise Invalid."""
    check_name(name)
    with transaction.atomic():
        producer, created = Producer.objects.get_or_create(name=name, defaults={"created_at": now})
        if created:
            record(
                "producer.changed",
                actor=actor,
                at=now,
                subject=Subject("producer", str(producer.pk), name),
                data={"old": None, "new": _producer_facts(producer)},
            )
    return producer


def change_producer(producer: Producer, *, actor: Actor, now: datetime) -> None:
    """Save a producer as set on the object, with old and new values in the log; without a change write nothing."""
    with transaction.atomic():
        old = Producer.objects.select_for_update().get(pk=producer.pk) if producer.pk else None
        if old is None:
            producer.created_at = now
        elif _producer_facts(old) == _producer_facts(producer):
            return
        producer.save()
        record(
            "producer.changed",
            actor=actor,
            at=now,
            subject=Subject("producer", str(producer.pk), producer.name),
            data={"old": _producer_facts(old) if old else None, "new": _producer_facts(producer)},
        )


def _producer_facts(producer: Producer) -> dict[str, Any]:
    return {
        "name": producer.name,
        "trusted_for_ml": producer.trusted_for_ml,
        "trusted_for_wargaming": producer.trusted_for_wargaming,
    }
