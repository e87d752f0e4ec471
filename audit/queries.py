"""Read the log: filters for the page and the API, and one entry as its readers see it."""

import json
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.contrib.auth import get_user_model
from django.db.models import Q, QuerySet, Value
from django.db.models.functions import Concat

from .models import Entry


@dataclass(frozen=True, slots=True)
class EntryFilters:
    """What a reader narrows the log to; '' and None mean 'any'. `object_ids` empty matches nothing; `among` and
    `without` are entry types."""

    q: str = ""
    object_type: str = ""
    object_ids: list[str] | None = None
    actor: str = ""
    action: str = ""
    among: tuple[str, ...] = ()
    without: tuple[str, ...] = ()
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
    if filters.among:
        rows = rows.filter(type__in=filters.among)
    if filters.without:
        rows = rows.exclude(type__in=filters.without)
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
    data: dict[str, Any] = body_of(entry)["data"]
    context = getattr(entry, "context", None)
    aside: dict[str, Any] = json.loads(context.aside) if context and context.aside else {}
    return {name: value for name, value in data.items() if name != "aside"} | aside


def row(entry: Entry) -> dict[str, Any]:
    """Return an entry in the reference API's fields, with its position in the log."""
    body, leaf = body_of(entry), getattr(entry, "leaf", None)
    context = getattr(entry, "context", None)
    return {
        "log_id": entry.uuid,
        "cursor": str(entry.pk),
        "decision_id": entry.object_id if entry.object_type == "decision" else None,
        "object": {"type": entry.object_type, "id": entry.object_id, "n": entry.object_n},
        "action": entry.type,
        "performed_by": context.actor_label if context and context.actor_label else entry.actor_id,
        "actor": body["actor"],
        "timestamp": entry.at,
        "details": data_of(entry),
        "patch_sha256": body["patch"]["sha256"] if body["patch"] else None,
        "policy": body["policy"],
        "request_id": body["request"]["id"] if body["request"] else None,
        "ip_address": context.ip_address if context else None,
        "user_agent": context.user_agent or None if context else None,
        "seq": leaf.seq if leaf else None,
        "leaf_hash": bytes(entry.leaf_hash).hex() if leaf else None,
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
