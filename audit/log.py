"""Write entries: `record()` and, for several at once, `record_all()` are the only writers of the audit log."""

import base64
import hashlib
import json
import os
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

import rfc8785
import uuid6

from postgresql.statements import query, query_prepared

from .models import ActorKind
from .types import TYPES

OUTBOX = "hitl_outbox"
"""The PostgreSQL channel that wakes the sequencer."""
Key = tuple[str, str]
"""The type and id of an object that entries are about."""
Link = tuple[int, str | None]
"""The end of an object's chain: the number of its next entry, and the hash of its last one in hex."""
NO_ENTRY: Link = (1, None)
VERSION = 1
MAX_BODY = 65_535
EXACT = 2**53 - 1
"""The largest integer that every reader of JSON reads exactly (RFC 8785 3.2.2.3)."""


@dataclass(frozen=True, slots=True)
class Actor:
    """Who acts, as seen by the code that received the request.

    `id` is a pseudonym such as `user:41`; `label`, address and user agent go to the erasable side table. `authn` says
    how the actor authenticated: `session`, `token`, or '' for our own timers and policies.
    """

    id: str
    kind: ActorKind
    label: str
    authn: str = ""
    request_id: str = ""
    ip_address: str | None = None
    user_agent: str = ""


@dataclass(frozen=True, slots=True)
class Subject:
    """What an entry is about. `chained` objects have a row that the caller has locked; `new` ones were just created."""

    type: str
    id: str
    label: str = ""
    chained: bool = False
    new: bool = False

    @property
    def key(self) -> Key:
        return self.type, self.id


@dataclass(frozen=True, slots=True)
class NewEntry:
    """One entry to write. `aside` is data that may name people, sentences above all: it is stored in the erasable side
    table, and the body has its digest. Readers see it merged into `data`, where it replaces values of the same name."""

    type: str
    actor: Actor
    subject: Subject
    data: dict[str, Any] = field(default_factory=dict)
    patch_sha256: str | None = None
    policy: dict[str, Any] | None = None
    aside: dict[str, Any] = field(default_factory=dict)


def text_digest(salt: bytes, body: str) -> str:
    """Return the hex SHA-256 by which an entry commits to free text that may be erased later."""
    return hashlib.sha256(bytes(salt) + body.encode()).hexdigest()


def record(
    type: str,
    *,
    actor: Actor,
    at: datetime,
    subject: Subject,
    data: dict[str, Any] | None = None,
    patch_sha256: str | None = None,
    policy: dict[str, Any] | None = None,
    aside: dict[str, Any] | None = None,
) -> UUID:
    """Write one entry inside the caller's transaction and return its id; raise as `record_all` does."""
    return record_all([NewEntry(type, actor, subject, data or {}, patch_sha256, policy, aside or {})], at=at)[0]


def record_all(
    entries: Sequence[NewEntry], *, at: datetime, wake: bool = False, ends: Mapping[Key, Link] | None = None
) -> list[UUID]:
    """Write entries in the caller's transaction, which has locked the rows of chained subjects; return their ids. One
    statement, one more to read the ends of chains. Entries about one subject keep their order. `wake` notifies the
    sequencer at commit, which otherwise looks every 200 ms. `ends` are ends of chains that the caller has read since it
    locked the rows; they are not read again.

    Raise KeyError for a type that is not registered and ValueError for a body above 65,535 bytes or with an integer
    above 2**53 - 1.
    """
    if not entries:
        return []
    last = dict(ends or {})
    last |= _chain_ends({entry.subject.key for entry in entries if entry.subject.chained} - last.keys())
    rows: list[dict[str, Any]] = []
    ids = []
    for entry in entries:
        entry_id, subject, actor = UUID(str(uuid6.uuid7())), entry.subject, entry.actor
        n, previous = None, None
        if subject.chained or subject.new:
            n, previous = last.get(subject.key, NO_ENTRY)
        aside, salt = canonical(json_ready(entry.aside)).decode() if entry.aside else "", os.urandom(16)
        committed = {"aside": {"sha256": text_digest(salt, aside)}} if aside else {}
        body = _body(entry_id, entry, at, n, previous, committed)
        if n is not None:
            last[subject.key] = n + 1, leaf_hash(body).hex()
        rows.append(
            {
                "ordinal": len(rows),
                "uuid": str(entry_id),
                "type": entry.type,
                "actor_id": actor.id,
                "actor_kind": actor.kind,
                "object_type": subject.type,
                "object_id": subject.id,
                "object_n": n,
                "body": body.decode(),
                "actor_label": actor.label[:150],
                "object_label": subject.label[:300],
                "ip_address": actor.ip_address,
                "user_agent": actor.user_agent[:300],
                "aside": aside,
                "salt": salt.hex() if aside else "",
            }
        )
        ids.append(entry_id)
    query_prepared(INSERT_ENTRIES_SQL, [json.dumps(rows), at, OUTBOX, wake])
    return ids


def _body(
    entry_id: Any, entry: NewEntry, at: datetime, n: int | None, previous: str | None, committed: dict[str, Any]
) -> bytes:
    """Return the canonical body; raise KeyError or ValueError as `record` says."""
    TYPES[entry.type]
    actor, subject = entry.actor, entry.subject
    body = canonical(
        {
            "v": VERSION,
            "id": str(entry_id),
            "type": entry.type,
            "at": timestamp(at),
            "nonce": base64.b64encode(os.urandom(16)).decode(),
            "actor": {"id": actor.id, "kind": str(actor.kind), "authn": actor.authn},
            "object": {"type": subject.type, "id": subject.id, "n": n, "prev": previous},
            "patch": {"sha256": entry.patch_sha256} if entry.patch_sha256 else None,
            "policy": entry.policy,
            "data": json_ready(entry.data) | committed,
            "request": {"id": actor.request_id} if actor.request_id else None,
        }
    )
    if len(body) > MAX_BODY:
        raise ValueError(f"An audit entry may have {MAX_BODY:,} bytes, not {len(body):,}.")
    return body


def canonical(body: dict[str, Any]) -> bytes:
    """Return canonical JSON (RFC 8785) of a body without floats; raise ValueError for text that is no Unicode.

    If all is ASCII, Python's encoder writes the same bytes and is much faster. Otherwise it would sort keys by code
    point instead of UTF-16, so the library writes them.
    """
    text = json.dumps(body, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return text.encode() if text.isascii() else rfc8785.dumps(body)


def leaf_hash(body: bytes) -> bytes:
    """Return the hash that the database gives an entry: SHA-256 over 0x00 and the body (RFC 6962 2.1)."""
    return hashlib.sha256(b"\x00" + body).digest()


def json_ready(value: Any) -> Any:
    """Return `value` without floats (as decimal strings: two readers must hash the same) and dates (RFC 3339); raise
    ValueError for an integer that some readers would round."""
    if value is None or isinstance(value, str | bool):
        return value
    if isinstance(value, dict):
        return {str(key): json_ready(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [json_ready(item) for item in value]
    if isinstance(value, float):
        return format(Decimal(repr(value)), "f")
    if isinstance(value, datetime):
        return timestamp(value)
    if isinstance(value, int):
        if abs(value) > EXACT:
            raise ValueError(f"{value} is too large an integer for an audit entry; write it as text.")
        return value
    return str(value)


def timestamp(at: datetime) -> str:
    """Return a time in UTC with microseconds and a Z."""
    return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def _chain_ends(keys: Collection[Key]) -> dict[Key, Link]:
    """Return the ends of these objects' chains; objects without entries are left out."""
    if not keys:
        return {}
    if len(keys) == 1:
        [(kind, key)] = keys
        rows = query_prepared(CHAIN_END_SQL, {"type": kind, "id": key})
    else:
        rows = query(CHAIN_ENDS_SQL, [list(column) for column in zip(*keys, strict=True)])
    return {(kind, key): (n, leaf) for kind, key, n, leaf in rows}


CHAIN_END_SQL = "select %(type)s::text, %(id)s::text, next_n, leaf from audit_chain_end(%(type)s::text, %(id)s::text)"
CHAIN_ENDS_SQL = """
select type, id, next_n, leaf
from unnest(%s::text[], %s::text[]) as wanted (type, id) cross join lateral audit_chain_end(type, id)
"""
# One statement for the entries, their side table and the sequencer's notice.
INSERT_ENTRIES_SQL = """
with new_entry as (
    select * from json_to_recordset(%s) as new_entry(
        ordinal int, uuid uuid, type text, actor_id text, actor_kind text, object_type text, object_id text,
        object_n int, body text, actor_label text, object_label text, ip_address inet, user_agent text,
        aside text, salt text
    )
), entry as (
    insert into audit_entry (uuid, type, at, actor_id, actor_kind, object_type, object_id, object_n, body)
    select uuid, type, %s, actor_id, actor_kind, object_type, object_id, object_n, convert_to(body, 'UTF8')
    from new_entry order by ordinal
    returning id, uuid
), context as (
    insert into audit_context (entry_id, actor_label, object_label, ip_address, user_agent, aside, salt)
    select entry.id, actor_label, object_label, ip_address, user_agent, aside, decode(salt, 'hex')
    from entry join new_entry using (uuid)
)
select pg_notify(%s, '') where %s
"""
