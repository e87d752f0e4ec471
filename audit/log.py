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

from .models import ActorKind
from .statements import query, query_prepared
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
"""The largest integer that every reader of JSON takes for what it is (RFC 8785 3.2.2.3)."""


@dataclass(frozen=True, slots=True)
class Actor:
    """Who acts, as the edge that took the request saw them.

    `id` is a pseudonym such as `user:41`; `label`, address and user agent go to the erasable side table.
    `authn` says how the actor proved it: `session`, `token`, or '' for our own timers.
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
    """What an entry is about. `chained` objects have a row that the caller holds locked; `new` ones were just made."""

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
    """One entry to be written. `aside` is what of `data` may name people, sentences above all: it goes to the erasable
    side table, and the body commits to it; readers find it among the data, instead of what has the same name there."""

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
    lines: Sequence[NewEntry], *, at: datetime, wake: bool = False, ends: Mapping[Key, Link] | None = None
) -> list[UUID]:
    """Write entries inside the caller's transaction, which holds the rows of what they are about, and return their
    ids; one statement, one more where an object has entries already. Several about one object follow each other.
    `wake` tells the sequencer at commit, which otherwise looks every 200 ms. `ends` are those of chains that the
    caller has read since it holds the rows, so that they are not read again.

    Raise KeyError for a type that is not registered and ValueError for a body above 65,535 bytes or with a float.
    """
    if not lines:
        return []
    last = dict(ends or {})
    last |= _last({line.subject.key for line in lines if line.subject.chained} - last.keys())
    rows: list[dict[str, Any]] = []
    ids = []
    for line in lines:
        entry_id, subject, actor = UUID(str(uuid6.uuid7())), line.subject, line.actor
        n, previous = None, None
        if subject.chained or subject.new:
            n, previous = last.get(subject.key, NO_ENTRY)
        aside, salt = canonical(json_ready(line.aside)).decode() if line.aside else "", os.urandom(16)
        committed = {"aside": {"sha256": text_digest(salt, aside)}} if aside else {}
        body = _body(entry_id, line, at, n, previous, committed)
        if n is not None:
            last[subject.key] = n + 1, leaf_hash(body).hex()
        rows.append(
            {
                "place": len(rows),
                "uuid": str(entry_id),
                "type": line.type,
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
    query_prepared(INSERT, [json.dumps(rows), at, OUTBOX, wake])
    return ids


def _body(
    entry_id: Any, line: NewEntry, at: datetime, n: int | None, previous: str | None, committed: dict[str, Any]
) -> bytes:
    """Return the canonical body; raise KeyError or ValueError as `record` says."""
    TYPES[line.type]
    actor, subject = line.actor, line.subject
    body = canonical(
        {
            "v": VERSION,
            "id": str(entry_id),
            "type": line.type,
            "at": timestamp(at),
            "nonce": base64.b64encode(os.urandom(16)).decode(),
            "actor": {"id": actor.id, "kind": str(actor.kind), "authn": actor.authn},
            "object": {"type": subject.type, "id": subject.id, "n": n, "prev": previous},
            "patch": {"sha256": line.patch_sha256} if line.patch_sha256 else None,
            "policy": line.policy,
            "data": json_ready(line.data) | committed,
            "request": {"id": actor.request_id} if actor.request_id else None,
        }
    )
    if len(body) > MAX_BODY:
        raise ValueError(f"An audit entry may have {MAX_BODY:,} bytes, not {len(body):,}.")
    return body


def canonical(body: dict[str, Any]) -> bytes:
    """Return canonical JSON (RFC 8785) of a body without floats; raise ValueError for text that is no Unicode.

    Python's encoder, in C, writes the same where all is ASCII, in a tenth of the time. Other keys it would sort by
    characters instead of UTF-16, so the library writes those.
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


def _last(keys: Collection[Key]) -> dict[Key, Link]:
    """Return the ends of the chains of those of these objects that have entries."""
    if not keys:
        return {}
    if len(keys) == 1:
        [(kind, key)] = keys
        rows = query_prepared(LAST, {"type": kind, "object": key})
    else:
        rows = query(LAST_OF_EACH, [list(column) for column in zip(*keys, strict=True)])
    return {(kind, key): (n + 1, leaf) for kind, key, n, leaf in rows}


LAST = """
select object_type, object_id, object_n, encode(leaf_hash, 'hex') as leaf from audit_entry
where object_type = %(type)s and object_id = %(object)s and object_n is not null order by object_n desc limit 1
"""
LAST_OF_EACH = """
select last.* from unnest(%s::text[], %s::text[]) as wanted(type, id)
cross join lateral (
    select object_type, object_id, object_n, encode(leaf_hash, 'hex') from audit_entry
    where object_type = wanted.type and object_id = wanted.id and object_n is not null
    order by object_n desc limit 1
) last
"""
# One statement for entries, side table and the notice.
INSERT = """
with line as (
    select * from json_to_recordset(%s) as line(
        place int, uuid uuid, type text, actor_id text, actor_kind text, object_type text, object_id text, object_n int,
        body text, actor_label text, object_label text, ip_address inet, user_agent text,
        aside text, salt text
    )
), entry as (
    insert into audit_entry (uuid, type, at, actor_id, actor_kind, object_type, object_id, object_n, body)
    select uuid, type, %s, actor_id, actor_kind, object_type, object_id, object_n, convert_to(body, 'UTF8')
    from line order by place
    returning id, uuid
), context as (
    insert into audit_context (entry_id, actor_label, object_label, ip_address, user_agent, aside, salt)
    select entry.id, actor_label, object_label, ip_address, user_agent, aside, decode(salt, 'hex')
    from entry join line using (uuid)
)
select pg_notify(%s, '') where %s
"""
