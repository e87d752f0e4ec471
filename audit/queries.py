"""Read the log: filters for the page and the API, and one entry as its readers see it."""

import json
from dataclasses import dataclass
from datetime import datetime
from itertools import product
from typing import Any, NamedTuple
from uuid import UUID

from django.conf import settings
from django.contrib.auth import get_user_model
from django.contrib.postgres.search import SearchQuery
from django.db.models import Q, QuerySet, Value
from django.db.models.functions import Concat

from postgresql.replica import read_connection
from postgresql.statements import query

from .models import WORDS, Context, Entry

Lookups = dict[str, Any]
"""Conditions on an entry, as the ORM takes them."""


@dataclass(frozen=True, slots=True)
class EntryFilters:
    """What a reader narrows the log to; '' and None mean 'any'. `object_ids` empty matches nothing; `among` are entry
    types."""

    q: str = ""
    object_type: str = ""
    object_ids: list[str] | None = None
    actor: str = ""
    action: str = ""
    among: tuple[str, ...] = ()
    since: datetime | None = None
    until: datetime | None = None


def entries(
    filters: EntryFilters, *, before: int | None = None, after: int | None = None, limit: int = 100
) -> list[Entry]:
    """Return up to `limit` entries that match, newest first: those older than the id `before`, or the oldest of those
    newer than the id `after`."""
    found = _found(Entry.objects.select_related("context", "leaf"), filters, before, after, limit)
    return found if after is None else found[::-1]


def _found(
    shown: QuerySet[Entry, Any], filters: EntryFilters, before: int | None, after: int | None, limit: int
) -> list[Any]:
    """Return what is shown of the entries that match: newest first, behind `after` oldest first."""
    order = "-" if after is None else ""
    narrowed = _narrowed(filters) | _beside(before, after)
    # One query for each index that can find them, each with the limit: a single one with OR reads the whole log.
    ways = _ways(filters)
    if filters.q and (words := _words(filters.q)):
        ways += _label_ways(filters, words, before, after)
    keys = [_keys(narrowed | way, order)[:limit] for way in ways]
    shown = shown.order_by(f"{order}id")
    if not keys:
        return list(shown.filter(**narrowed)[:limit])
    with read_connection().limited_to(settings.DATABASE_LIMITS["search"]):
        return list(shown.filter(pk__in=keys[0].union(*keys[1:]))[:limit])


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
        "type__in": filters.among,
        "at__gte": filters.since,
        "at__lt": filters.until,
    }
    return {name: value for name, value in conditions.items() if value not in ("", None, ())}


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
    return _data(body_of(entry), found_of(entry).aside)


def _data(body: dict[str, Any], aside: str | None) -> dict[str, Any]:
    data = {name: value for name, value in body.get("data", {}).items() if name != "aside"}
    return data | json.loads(aside) if aside else data


class Found(NamedTuple):
    """What readers see of an entry, its context (None without one) and its leaf (None until it is placed)."""

    id: int
    uuid: UUID
    type: str
    at: datetime
    actor_id: str
    actor_kind: str
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
    *Found._fields[:11],
    *(f"context__{name}" for name in Found._fields[11:15]),
    "leaf__seq",
)
"""Where the fields of `Found` are read."""


def rows(filters: EntryFilters, *, before: int | None = None, limit: int = 100) -> list[dict[str, Any]]:
    """Return what `entries` does, each as `row` has it; without the models, which cost as much again."""
    found = _found(Entry.objects.values_list(*COLUMNS), filters, before, None, limit)
    return [_row(Found(*columns)) for columns in found]


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
        "actor": body.get("actor", {"id": found.actor_id, "kind": found.actor_kind, "authn": ""}),
        "timestamp": found.at,
        "details": _data(body, found.aside),
        "patch_sha256": (body.get("patch") or {}).get("sha256"),
        "policy": body.get("policy"),
        "request_id": (body.get("request") or {}).get("id"),
        "ip_address": found.ip_address,
        "user_agent": found.user_agent or None,
        "seq": found.seq,
        "leaf_hash": None if found.seq is None else bytes(found.leaf_hash).hex(),
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
    with read_connection().limited_to(settings.DATABASE_LIMITS["search"]):
        rows = query(ABOUT_SQL, {"words": words, "before": before, "after": after, "limit": LABELLED})
    label: Lookups = {"pk__in": [key for (key,) in rows]}
    if len(rows) == LABELLED and (filters.actor or _narrowed(filters)):
        label = {"context__words": SearchQuery(words, search_type="raw", config="simple")}
    return [actor | label for actor in actors]


def _word(typed: str) -> str:
    """Return one typed word as a phrase: the parts of CVE-2024-99 follow each other, the last is a beginning."""
    parts = "".join(char if char.isalnum() else " " for char in typed.lower()).split()
    return f"({' <-> '.join(parts)}:*)" if parts else ""
