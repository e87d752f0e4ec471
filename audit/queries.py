"""Read the log: filters for the page and the API, and one entry as its readers see it."""

import json
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID

from django.contrib.auth import get_user_model
from django.db.models import Q, QuerySet, Value
from django.db.models.functions import Concat

from .models import Entry


@dataclass(frozen=True, slots=True)
class EntryFilters:
    """What a reader narrows the log to; '' and None mean 'any'. `object_ids` empty matches nothing."""

    q: str = ""
    object_type: str = ""
    object_ids: list[str] | None = None
    actor: str = ""
    action: str = ""
    since: datetime | None = None
    until: datetime | None = None


def matching(filters: EntryFilters) -> QuerySet[Entry]:
    """Return the entries that match, newest first."""
    rows = Entry.objects.select_related("context", "leaf").order_by("-id")
    if filters.object_type:
        rows = rows.filter(object_type=filters.object_type)
    if filters.object_ids is not None:
        rows = rows.filter(object_id__in=filters.object_ids)
    if filters.actor:
        rows = rows.filter(_actor_condition(filters.actor))
    if filters.action:
        rows = rows.filter(type=filters.action)
    if filters.since:
        rows = rows.filter(at__gte=filters.since)
    if filters.until:
        rows = rows.filter(at__lt=filters.until)
    return rows.filter(_text_condition(filters.q)) if filters.q else rows


def entries(filters: EntryFilters, *, before: int | None = None, limit: int = 100) -> list[Entry]:
    """Return up to `limit` entries, newest first, older than the id `before`."""
    rows = matching(filters)
    return list((rows.filter(pk__lt=before) if before is not None else rows)[:limit])


def body_of(entry: Entry) -> dict[str, Any]:
    """Return the hashed content of an entry."""
    content: dict[str, Any] = json.loads(bytes(entry.body))
    return content


def data_of(entry: Entry) -> dict[str, Any]:
    """Return an entry's data merged with its `aside`; a value that was erased is missing, or a pseudonym."""
    return _data(body_of(entry), found_of(entry).aside)


def _data(body: dict[str, Any], aside: str | None) -> dict[str, Any]:
    data = {name: value for name, value in body["data"].items() if name != "aside"}
    return data | json.loads(aside) if aside else data


class Found(NamedTuple):
    """What readers see of an entry, its context (None without one) and its leaf (None until it is placed)."""

    id: int
    uuid: UUID
    type: str
    at: datetime
    actor_id: str
    object_type: str
    object_id: str
    object_n: int | None
    body: bytes
    leaf_hash: bytes
    actor_label: str | None
    ip_address: str | None
    user_agent: str | None
    aside: str | None
    seq: int | None


COLUMNS = (
    *Found._fields[:10],
    *(f"context__{name}" for name in Found._fields[10:14]),
    "leaf__seq",
)
"""Where the fields of `Found` are read."""


def rows(filters: EntryFilters, *, before: int | None = None, limit: int = 100) -> list[dict[str, Any]]:
    """Return what `entries` does, each as `row` has it; without the models, which cost as much again."""
    found = matching(filters)
    found = found.filter(pk__lt=before) if before is not None else found
    return [_row(Found(*columns)) for columns in found.values_list(*COLUMNS)[:limit]]


def row(entry: Entry) -> dict[str, Any]:
    """Return an entry in the reference API's fields, with its position in the log."""
    return _row(found_of(entry))


def found_of(entry: Entry) -> Found:
    """Return the columns of an entry that is a model."""
    return Found(*(_read(entry, column) for column in COLUMNS))


def _read(entry: Entry, column: str) -> Any:
    beside, _, name = column.rpartition("__")
    return getattr(getattr(entry, beside, None) if beside else entry, name, None)


def _row(found: Found) -> dict[str, Any]:
    body = json.loads(bytes(found.body))
    return {
        "log_id": found.uuid,
        "cursor": str(found.id),
        "decision_id": found.object_id if found.object_type == "decision" else None,
        "object": {"type": found.object_type, "id": found.object_id, "n": found.object_n},
        "action": found.type,
        "performed_by": found.actor_label or found.actor_id,
        "actor": body["actor"],
        "timestamp": found.at,
        "details": _data(body, found.aside),
        "patch_sha256": body["patch"]["sha256"] if body["patch"] else None,
        "policy": body["policy"],
        "request_id": body["request"]["id"] if body["request"] else None,
        "ip_address": found.ip_address,
        "user_agent": found.user_agent or None,
        "seq": found.seq,
        "leaf_hash": None if found.seq is None else bytes(found.leaf_hash).hex(),
    }


def _actor_condition(text: str) -> Q:
    """Match an actor's id or label, or a person's user name, e-mail address or a part of their full name."""
    full_name = Concat("first_name", Value(" "), "last_name")
    condition = Q(username__iexact=text) | Q(email__iexact=text) | Q(full_name__icontains=text)
    named_people = get_user_model()._default_manager.annotate(full_name=full_name).filter(condition)
    ids = [f"user:{key}" for key in named_people.values_list("pk", flat=True)[:100]]
    return Q(actor_id__in=[text, *ids]) | Q(context__actor_label__iexact=text)


def people() -> list[tuple[str, str]]:
    """Return up to 100 people, name and e-mail address, as suggestions while somebody types."""
    rows = get_user_model()._default_manager.order_by("first_name", "username")[:100]
    return [(str(user), user.email or user.get_username()) for user in rows]


def _text_condition(text: str) -> Q:
    """Match a sequence number, an object's id, a person or a label; each is an exact or prefix look-up."""
    typed = text.strip()
    condition = Q(context__actor_label__istartswith=typed) | Q(context__object_label__icontains=typed)
    condition |= Q(object_id=typed) | Q(actor_id=typed)
    return condition | Q(leaf__seq=int(typed)) if typed.isdecimal() and len(typed) < 19 else condition
