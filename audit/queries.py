"""Read the log: filters for the page and the API, and one entry as its readers see it."""

import json
from dataclasses import dataclass
from datetime import datetime
from itertools import product
from typing import Any

from django.conf import settings
from django.contrib.auth import get_user_model
from django.contrib.postgres.search import SearchQuery
from django.db import connection
from django.db.models import Q, QuerySet, Value
from django.db.models.functions import Concat

from postgresql.statements import query

from .models import WORDS, Context, Entry

Lookups = dict[str, Any]
"""Conditions on an entry, as the ORM takes them."""


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


def entries(
    filters: EntryFilters, *, before: int | None = None, after: int | None = None, limit: int = 100
) -> list[Entry]:
    """Return up to `limit` entries that match, newest first: those older than the id `before`, or the oldest of those
    newer than the id `after`."""
    order = "-" if after is None else ""
    narrowed = _narrowed(filters) | _beside(before, after)
    # One query for each index that can find them, each with the limit: a single one with OR reads the whole log.
    ways = _ways(filters)
    if filters.q and (words := _words(filters.q)):
        ways += _label_ways(filters, words, before, after)
    keys = [_keys(narrowed | way, order)[:limit] for way in ways]
    rows = Entry.objects.select_related("context", "leaf").order_by(f"{order}id")
    if keys:
        with connection.limited_to(settings.DATABASE_LIMITS["search"]):  # type: ignore[attr-defined]  # of postgresql
            found = list(rows.filter(pk__in=keys[0].union(*keys[1:]))[:limit])
    else:
        found = list(rows.filter(**narrowed)[:limit])
    return found if after is None else found[::-1]


def _beside(before: int | None, after: int | None) -> Lookups:
    if after is not None:
        return {"pk__gt": after}
    return {"pk__lt": before} if before is not None else {}


def _narrowed(filters: EntryFilters) -> Lookups:
    """Return the conditions on an entry that hold together."""
    conditions = {
        "object_type": filters.object_type,
        "object_id__in": filters.object_ids,
        "type": filters.action,
        "at__gte": filters.since,
        "at__lt": filters.until,
    }
    return {name: value for name, value in conditions.items() if value not in ("", None)}


def _ways(filters: EntryFilters) -> list[Lookups]:
    """Return the conditions of which one must hold, for actor and text together; none where neither is given."""
    ways: list[Lookups] = [{}]
    if filters.actor:
        ways = _actor_ways(filters.actor)
    if filters.q:
        ways = [way | more for way, more in product(ways, _text_ways(filters.q))]
    return [way for way in ways if way]


def _keys(conditions: Lookups, order: str) -> QuerySet[Any, Any]:
    """Return the ids of the entries for which these hold, in order, without a join that the conditions do not need."""
    if not any(name.startswith("context__") for name in conditions):
        return Entry.objects.filter(**conditions).order_by(f"{order}pk").values_list("pk")
    own = {name: value for name, value in conditions.items() if name.startswith("context__")}
    of_entry = {f"entry__{name}": value for name, value in conditions.items() if name not in own}
    rows = Context.objects.alias(words=WORDS).filter(**of_entry)
    rows = rows.filter(**{name.removeprefix("context__"): value for name, value in own.items()})
    return rows.order_by(f"{order}entry_id").values_list("entry_id")


def body_of(entry: Entry) -> dict[str, Any]:
    """Return the hashed content of an entry."""
    content: dict[str, Any] = json.loads(bytes(entry.body))
    return content


def data_of(entry: Entry) -> dict[str, Any]:
    """Return an entry's data merged with its `aside`; a value that was erased is missing, or a pseudonym."""
    data: dict[str, Any] = body_of(entry).get("data", {})
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
        "actor": body.get("actor", {"id": entry.actor_id, "kind": entry.actor_kind, "authn": ""}),
        "timestamp": entry.at,
        "details": data_of(entry),
        "patch_sha256": (body.get("patch") or {}).get("sha256"),
        "policy": body.get("policy"),
        "request_id": (body.get("request") or {}).get("id"),
        "ip_address": context.ip_address if context else None,
        "user_agent": context.user_agent or None if context else None,
        "seq": leaf.seq if leaf else None,
        "leaf_hash": bytes(entry.leaf_hash).hex() if leaf else None,
    }


def _actor_ways(text: str) -> list[Lookups]:
    """Match an actor's id or label, or a person's user name, e-mail address or a part of their full name."""
    full_name = Concat("first_name", Value(" "), "last_name")
    condition = Q(username__iexact=text) | Q(email__iexact=text) | Q(full_name__icontains=text)
    named_people = get_user_model()._default_manager.annotate(full_name=full_name).filter(condition)
    ids = [f"user:{key}" for key in named_people.values_list("pk", flat=True)[:100]]
    return [{"context__actor_label__iexact": text}, *({"actor_id": one} for one in dict.fromkeys([text, *ids]))]


def people() -> list[tuple[str, str]]:
    """Return up to 100 people, name and e-mail address, as suggestions while somebody types."""
    rows = get_user_model()._default_manager.order_by("first_name", "username")[:100]
    return [(str(user), user.email or user.get_username()) for user in rows]


def _text_ways(text: str) -> list[Lookups]:
    """Match a sequence number, an object's id or a person; labels are matched by their words (`_label_ways`)."""
    typed = text.strip()
    ways: list[Lookups] = [{"context__actor_label__istartswith": typed}, {"object_id": typed}, {"actor_id": typed}]
    return [*ways, {"leaf__seq": int(typed)}] if typed.isdecimal() and len(typed) < 19 else ways


def _words(typed: str) -> str:
    """Return the query of a label's words, '' if none is typed."""
    return " & ".join(filter(None, map(_word, typed.split()[:20])))


LABELLED = 2_000
"""So many entries are found by their label first; with other filters and more of them, PostgreSQL finds its way."""
ABOUT_SQL = """
select id from audit_about(to_tsquery('simple', %(words)s)) id
where (%(before)s::bigint is null or id < %(before)s) and (%(after)s::bigint is null or id > %(after)s)
order by case when %(after)s::bigint is null then -id else id end limit %(limit)s
"""


def _label_ways(filters: EntryFilters, words: str, before: int | None, after: int | None) -> list[Lookups]:
    """Match a label of which each word typed begins a word."""
    actors = _actor_ways(filters.actor) if filters.actor else [{}]
    with connection.limited_to(settings.DATABASE_LIMITS["search"]):  # type: ignore[attr-defined]  # of postgresql
        rows = query(ABOUT_SQL, {"words": words, "before": before, "after": after, "limit": LABELLED})
    label: Lookups = {"pk__in": [key for (key,) in rows]}
    if len(rows) == LABELLED and (filters.actor or _narrowed(filters)):
        label = {"context__words": SearchQuery(words, search_type="raw", config="simple")}
    return [actor | label for actor in actors]


def _word(typed: str) -> str:
    """Return one typed word as a phrase: the parts of CVE-2024-99 follow each other, the last is a beginning."""
    parts = "".join(char if char.isalnum() else " " for char in typed.lower()).split()
    return f"({' <-> '.join(parts)}:*)" if parts else ""
