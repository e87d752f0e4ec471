"""Give committed entries their position in the log. Runs in the one sequencer, never in a request."""

from dataclasses import dataclass
from datetime import datetime

from postgresql.statements import query, query_prepared

from .models import Pending

PENDING_SQL = "select exists (select from audit_pending)"
OLDEST_PENDING_SQL = "select at from audit_entry where id = (select min(entry_id) from audit_pending)"
LEAD_SQL = "select pg_try_advisory_xact_lock(%s)"
LOCK = 0x4849544C  # 'HITL' in ASCII: the advisory lock that keeps it at one sequencer


@dataclass(frozen=True, slots=True)
class Sequenced:
    """An entry that has just been given its position."""

    seq: int
    type: str
    object_type: str
    object_id: str
    at: datetime


# Pending rows are visible only after their transaction committed, so nothing is skipped whatever the order of ids.
# `for update` waits for nobody: the advisory lock keeps other sequencers out and no request touches these rows.
# `any(array(...))` is evaluated once; as `in (...)` a plan may run the sub-select again and again, past its limit.
TAKE_PENDING_SQL = """
with pending as (
    delete from audit_pending where entry_id = any(array(
        select entry_id from audit_pending order by entry_id limit %s for update skip locked
    )) returning entry_id
), head as (
    select coalesce(max(seq) + 1, 0) as next from audit_leaf
), placed as (
    insert into audit_leaf (seq, entry_id)
    select head.next + row_number() over (order by entry_id) - 1, entry_id from pending, head
    returning seq, entry_id
)
select placed.seq, entry.type, entry.object_type, entry.object_id, entry.at
from placed join audit_entry entry on entry.id = placed.entry_id order by placed.seq
"""


def is_needed() -> bool:
    """Return whether entries wait for a position: most looks find none, and need no transaction."""
    return query_prepared(PENDING_SQL) == [(True,)]


def lead() -> bool:
    """Take the sequencer's advisory lock for this transaction; False when another process holds it."""
    return query_prepared(LEAD_SQL, [LOCK]) == [(True,)]


def take(limit: int = 1000) -> list[Sequenced]:
    """Move up to `limit` pending entries into the log, in order; call under `lead()` in the same transaction."""
    return [Sequenced(*row) for row in query(TAKE_PENDING_SQL, [limit])]


def backlog() -> int:
    """Return how many entries have no position yet."""
    return Pending.objects.count()


def oldest_waiting() -> datetime | None:
    """Return since when the first entry without a position waits; None where there is none."""
    rows = query(OLDEST_PENDING_SQL)
    return rows[0][0] if rows else None
