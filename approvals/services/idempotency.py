"""Store answers under an `Idempotency-Key`. Their only writer."""

import hashlib
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta

from approvals.errors import InFlight, Invalid
from approvals.models import KeptAnswer

KEPT = timedelta(hours=24)
LOST = timedelta(seconds=60)  # a request that long in flight died with its process


@dataclass(frozen=True, slots=True)
class Answer:
    """What is stored of an answer, to be given again."""

    status: int
    content_type: str
    location: str
    body: bytes


def claim(caller: str, path: str, key: str, body: bytes, now: datetime) -> KeptAnswer:
    """Return the stored answer to an authenticated caller's request, or a new row (status None) for the caller to fill.

    Raise Invalid if the key came with another body or is too long, InFlight while the first request is in flight.
    """
    if len(key) > 255 or len(path) > 500:
        raise Invalid("An Idempotency-Key may have 255 characters.")
    digest = hashlib.sha256(body).hexdigest()
    KeptAnswer.objects.filter(caller=caller, path=path, key=key, at__lt=now - KEPT).delete()
    KeptAnswer.objects.filter(caller=caller, path=path, key=key, status=None, at__lt=now - LOST).delete()
    answer, created = KeptAnswer.objects.get_or_create(
        caller=caller, path=path, key=key, defaults={"body_sha256": digest, "at": now}
    )
    if answer.body_sha256 != digest:
        raise Invalid("This Idempotency-Key came with another body.")
    if not created and answer.status is None:
        raise InFlight("A request with this Idempotency-Key is in flight.")
    return answer


def is_first(caller: str, path: str, key: str, now: datetime) -> bool:
    """Return whether this caller's message came for the first time, and remember it, for a day."""
    _, created = KeptAnswer.objects.get_or_create(
        caller=caller, path=path, key=key, defaults={"body_sha256": "", "status": 200, "at": now}
    )
    return created


def settle(claimed: KeptAnswer, answer: Answer | None, now: datetime) -> None:
    """Store the answer; without one delete the claim: then a retry runs again."""
    row = KeptAnswer.objects.filter(pk=claimed.pk)
    if answer is None:
        row.delete()
    else:
        row.update(**asdict(answer), at=now)


def forget(now: datetime) -> int:
    """Delete answers older than a day; return how many."""
    deleted, _ = KeptAnswer.objects.filter(at__lt=now - KEPT).delete()
    return deleted
