"""Read the log in its order, from a position on: for whoever tells others what happened."""

import json
from collections.abc import Collection
from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID

from postgresql.statements import query

# Bodies are read for the types that are told only; most entries are none of them.
FOLLOWING_SQL = """
select leaf.seq, entry.uuid, entry.type, entry.object_id, entry.actor_id, coalesce(context.actor_label, ''), entry.at,
    case when entry.type = any(%(types)s) then convert_from(entry.body, 'utf8') end
from audit_leaf leaf
join audit_entry entry on entry.id = leaf.entry_id
left join audit_context context on context.entry_id = entry.id
where leaf.seq > %(after)s order by leaf.seq limit %(limit)s
"""


class Placed(NamedTuple):
    """An entry at its position. `data` is None where its type was not asked for; what may name people is not in it."""

    seq: int
    uuid: UUID
    type: str
    object_id: str
    actor_id: str
    actor_label: str
    at: datetime
    data: dict[str, Any] | None


def placed_after(position: int, types: Collection[str], limit: int) -> list[Placed]:
    """Return up to `limit` entries behind a position, in order, with the data of those of these types."""
    rows = query(FOLLOWING_SQL, {"types": sorted(types), "after": position, "limit": limit})
    return [Placed._make([*row[:7], json.loads(row[7]).get("data", {}) if row[7] else None]) for row in rows]
