"""Keep answers under an `Idempotency-Key`. The only writer of them."""

import hashlib
from datetime import datetime, timedelta

from django.http import HttpResponse
from django.utils import timezone

from approvals.errors import Conflict, Invalid
from approvals.models import KeptAnswer

KEPT = timedelta(hours=24)
LOST = timedelta(seconds=60)  # a request that long in flight died with its process
NOT_KEPT = {401, 403, 404, 422, 429}  # nothing was done, and it may be another answer a moment later


def claim(caller: str, path: str, key: str, body: bytes, now: datetime) -> KeptAnswer:
    """Return the kept answer of an authenticated caller's request, or a fresh row (status None) to work on.

    Raise Invalid when the key came with another body or is too long, Conflict while the first is in flight.
    """
    if len(key) > 255 or len(path) > 500:
        raise Invalid("An Idempotency-Key may have 255 characters.")
    digest = hashlib.sha256(body).hexdigest()
    KeptAnswer.objects.filter(caller=caller, path=path, key=key, at__lt=now - KEPT).delete()
    KeptAnswer.objects.filter(caller=caller, path=path, key=key, status=None, at__lt=now - LOST).delete()
    kept, created = KeptAnswer.objects.get_or_create(
        caller=caller, path=path, key=key, defaults={"body_sha256": digest, "at": now}
    )
    if kept.body_sha256 != digest:
        raise Invalid("This Idempotency-Key came with another body.")
    if not created and kept.status is None:
        raise Conflict("A request with this Idempotency-Key is in flight.")
    return kept


def settle(kept: KeptAnswer, response: HttpResponse | None) -> None:
    """Keep the answer, or forget the claim when there is none worth keeping: the caller should try again."""
    if response is None or response.status_code >= 500 or response.status_code in NOT_KEPT:
        KeptAnswer.objects.filter(pk=kept.pk).delete()
        return
    KeptAnswer.objects.filter(pk=kept.pk).update(
        status=response.status_code,
        content_type=response.get("Content-Type", ""),
        location=response.get("Location", ""),
        body=response.content,
        at=timezone.now(),
    )


def forget(now: datetime) -> int:
    """Drop what is older than a day; return how many rows."""
    deleted, _ = KeptAnswer.objects.filter(at__lt=now - KEPT).delete()
    return deleted
