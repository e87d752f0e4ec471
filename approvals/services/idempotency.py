"""Store answers under an `Idempotency-Key`. Their only writer."""

import hashlib
from datetime import datetime, timedelta

from django.http import HttpResponse
from django.utils import timezone

from approvals.errors import Conflict, Invalid
from approvals.models import KeptAnswer

KEPT = timedelta(hours=24)
LOST = timedelta(seconds=60)  # a request that long in flight died with its process
NOT_KEPT = {401, 403, 404, 422, 429}  # nothing was changed, and a retry may get another answer


def claim(caller: str, path: str, key: str, body: bytes, now: datetime) -> KeptAnswer:
    """Return the stored answer to an authenticated caller's request, or a new row (status None) for the caller to fill.

    Raise Invalid if the key came with another body or is too long, Conflict while the first request is in flight.
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
        raise Conflict("A request with this Idempotency-Key is in flight.")
    return answer


def settle(answer: KeptAnswer, response: HttpResponse | None) -> None:
    """Store the answer, or delete the claim if the answer is not to be stored: then a retry runs again."""
    if response is None or response.status_code >= 500 or response.status_code in NOT_KEPT:
        KeptAnswer.objects.filter(pk=answer.pk).delete()
        return
    KeptAnswer.objects.filter(pk=answer.pk).update(
        status=response.status_code,
        content_type=response.get("Content-Type", ""),
        location=response.get("Location", ""),
        body=response.content,
        at=timezone.now(),
    )


def forget(now: datetime) -> int:
    """Delete answers older than a day; return how many."""
    deleted, _ = KeptAnswer.objects.filter(at__lt=now - KEPT).delete()
    return deleted
