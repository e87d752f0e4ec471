"""Who is told by webhook: endpoints are added, changed, tried, switched off and removed, each with its audit entry."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from django.db import transaction
from django.db.models import Min

from approvals.errors import Conflict, Invalid, NotFound
from approvals.queries.endpoints import audience_of, live, newest_position
from audit.log import Actor, Subject, record
from notifications import secrets
from notifications.channels.webhook import new_secret
from notifications.formats import FORMATS, TRIED
from notifications.models import Delivery, DeliveryState, Endpoint, EndpointState
from notifications.outbound import Unanswered, read
from notifications.secrets import WEBHOOKS
from notifications.services import deliveries

from .webhooks import delivery_of, subject_of

NOBODY = "No token of this name is in force, or none that reads decisions."


@dataclass(frozen=True, slots=True)
class Wanted:
    """How an endpoint is to be. `audience` is `deployer:NAME` or `producer:NAME`."""

    name: str
    url: str
    format: str
    audience: str


@transaction.atomic
def add(wanted: Wanted, after: int | None, *, actor: Actor, now: datetime) -> tuple[Endpoint, str]:
    """Add an endpoint that gets what comes after a position of the feed, from now on where that is None; return it with
    its secret, which is shown this once. Raise Invalid."""
    _check(wanted, None)
    newest = newest_position()
    if after is not None and not 0 <= after <= newest:
        raise Invalid(f"The feed has positions from 0 to {newest:,}.", field="after")
    if audience_of(wanted.audience, now) is None:
        raise Invalid(NOBODY, field="audience")
    secret = new_secret()
    endpoint = Endpoint.objects.create(
        name=wanted.name,
        url=wanted.url,
        format=wanted.format,
        audience=wanted.audience,
        secrets=[secrets.encrypt(secret, WEBHOOKS)],
        position=newest if after is None else after,
        created_at=now,
    )
    data = {**_facts(endpoint), "after": endpoint.position}
    record("endpoint.added", actor=actor, at=now, subject=subject_of(endpoint), data=data)
    return endpoint, secret


@transaction.atomic
def change(key: int, wanted: Wanted, *, actor: Actor, now: datetime) -> Endpoint:
    """Give an endpoint another name, address or format; for whom it is stays. Raise NotFound or Invalid."""
    endpoint = _locked(key)
    _check(wanted, key)
    before = _facts(endpoint) | {"url": endpoint.url, "name": endpoint.name}
    endpoint.name, endpoint.url, endpoint.format = wanted.name, wanted.url, wanted.format
    after = _facts(endpoint) | {"url": endpoint.url, "name": endpoint.name}
    changed = sorted(name for name in after if after[name] != before[name])
    if changed:
        endpoint.save(update_fields=["name", "url", "format"])
        data = {**_facts(endpoint), "changed": changed}
        record("endpoint.changed", actor=actor, at=now, subject=subject_of(endpoint), data=data)
    return endpoint


@transaction.atomic
def replace_secret(key: int, *, actor: Actor, now: datetime) -> tuple[Endpoint, str]:
    """Make a new secret and return it, shown this once; calls are signed by the one before too, until that is ended.
    Raise NotFound."""
    endpoint, secret = _locked(key), new_secret()
    _keep_secrets(endpoint, [secrets.encrypt(secret, WEBHOOKS), *endpoint.secrets[:1]])
    _record_change(endpoint, "new secret", actor, now)
    return endpoint, secret


@transaction.atomic
def end_old_secret(key: int, *, actor: Actor, now: datetime) -> Endpoint:
    """Sign by the newest secret alone. Raise NotFound."""
    endpoint = _locked(key)
    if endpoint.secrets[1:]:
        _keep_secrets(endpoint, endpoint.secrets[:1])
        _record_change(endpoint, "old secret ended", actor, now)
    return endpoint


@transaction.atomic
def disable(key: int, *, actor: Actor, now: datetime) -> Endpoint:
    """Send nothing more to an endpoint until somebody enables it; nothing is lost meanwhile. Raise NotFound."""
    endpoint = _locked(key)
    if endpoint.state != EndpointState.DISABLED:
        endpoint.state, endpoint.noted = EndpointState.DISABLED, True
        endpoint.disabled_why, endpoint.failing_since = "Somebody switched it off.", None
        endpoint.save(update_fields=["state", "noted", "disabled_why", "failing_since"])
        data = {"why": endpoint.disabled_why}
        record("endpoint.disabled", actor=actor, at=now, subject=subject_of(endpoint), data=data)
    return endpoint


@transaction.atomic
def enable(key: int, *, actor: Actor, now: datetime) -> Endpoint:
    """Send to an endpoint again, from where it stopped, each delivery for a whole day. Raise NotFound."""
    endpoint = _locked(key)
    if endpoint.state == EndpointState.DISABLED:
        endpoint.state, endpoint.noted, endpoint.disabled_why = EndpointState.ACTIVE, False, ""
        endpoint.failing_since = None
        endpoint.save(update_fields=["state", "noted", "disabled_why", "failing_since"])
        deliveries.begin_again(endpoint, now=now)
        record("endpoint.enabled", actor=actor, at=now, subject=subject_of(endpoint))
    return endpoint


@transaction.atomic
def remove(key: int, *, actor: Actor, now: datetime) -> Endpoint:
    """Remove an endpoint for good, with its secrets; what waits for it is dropped. Raise NotFound."""
    endpoint = _locked(key)
    name = endpoint.name
    endpoint.removed_at, endpoint.secrets = now, []
    endpoint.name = f"{name[:80]} (removed, {key})"  # another one may have the name
    endpoint.save(update_fields=["removed_at", "secrets", "name"])
    deliveries.drop(endpoint, "The endpoint was removed.", now=now)
    record("endpoint.removed", actor=actor, at=now, subject=Subject("endpoint", str(key), name))
    return endpoint


@transaction.atomic
def send_test(key: int, *, actor: Actor, now: datetime) -> Delivery:
    """Have one message sent that says nothing of any patch, before all that waits, and tried once. Raise NotFound, and
    Conflict where the endpoint is disabled or nobody's."""
    endpoint = _locked(key)
    audience = audience_of(endpoint.audience, now)
    if endpoint.state == EndpointState.DISABLED:
        raise Conflict("It is disabled, and nothing is sent: enable it first.")
    if audience is None:
        raise Conflict(NOBODY)
    first = Delivery.objects.filter(endpoint=endpoint).aggregate(first=Min("position"))["first"] or 0
    item = {
        "position": min(first, 0) - 1,
        "decision_id": str(UUID(int=0)),
        "patch_id": "HITL-TEST",
        "status": TRIED,
        "at": now.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
        "decided_by": None,
    }
    delivery = delivery_of(endpoint, item, audience, now)
    delivery.give_up_at = now
    delivery.save(force_insert=True)
    record("endpoint.tried", actor=actor, at=now, subject=subject_of(endpoint))
    return delivery


@transaction.atomic
def replay(keys: Sequence[UUID], *, actor: Actor, now: datetime) -> int:
    """Send deliveries again that were given up; return how many that are. One entry says how many."""
    dead = Delivery.objects.select_for_update(of=("self",)).filter(pk__in=keys, state=DeliveryState.DEAD)
    found = list(dead.exclude(endpoint__removed_at__isnull=False).values_list("pk", flat=True))
    if found:
        deliveries.replay(found, now=now)
        data = {"deliveries": len(found), "first": str(min(found))}
        record("delivery.replayed", actor=actor, at=now, subject=Subject("delivery", str(min(found))), data=data)
    return len(found)


@transaction.atomic
def renew_secrets() -> int:
    """Encrypt every secret anew under the present SECRET_KEY and return how many there are; raise InvalidToken. No
    entry: nothing changes for anybody."""
    rows = list(Endpoint.objects.select_for_update().order_by("pk"))
    for endpoint in rows:
        _keep_secrets(endpoint, [secrets.renewed(secret, WEBHOOKS) for secret in endpoint.secrets])
    return sum(len(endpoint.secrets) for endpoint in rows)


def _keep_secrets(endpoint: Endpoint, encrypted: Iterable[str]) -> None:
    endpoint.secrets = list(encrypted)
    endpoint.save(update_fields=["secrets"])


def _record_change(endpoint: Endpoint, changed: str, actor: Actor, now: datetime) -> None:
    data = {**_facts(endpoint), "changed": [changed]}
    record("endpoint.changed", actor=actor, at=now, subject=subject_of(endpoint), data=data)


def _facts(endpoint: Endpoint) -> dict[str, str]:
    """Return what entries say of an endpoint."""
    return {
        "host": endpoint.host,
        "format": endpoint.format,
        "audience": endpoint.audience.partition(":")[0],
    }


def _locked(key: int) -> Endpoint:
    endpoint = Endpoint.objects.select_for_update().filter(pk=key, removed_at=None).first()
    if endpoint is None:
        raise NotFound("There is no such endpoint.")
    return endpoint


def _check(wanted: Wanted, key: int | None) -> None:
    if wanted.format not in FORMATS:
        raise Invalid("There is no such format.", field="format")
    others = live().filter(name=wanted.name)
    if (others.exclude(pk=key) if key else others).exists():
        raise Invalid("Another endpoint has this name.", field="name")
    try:
        read(wanted.url)
    except Unanswered as error:
        raise Invalid(str(error), field="url") from error
