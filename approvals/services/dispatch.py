"""Take committed entries out of the outbox: log positions, feed positions, live notices, and tallies of what changed.
The sequencer's one step."""

import json
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from django.db import transaction

from approvals.models import Heartbeat, Status
from audit import sequencing
from audit.sequencing import Sequenced
from postgresql.statements import query, query_prepared

LIVE = "hitl_live"
"""The PostgreSQL channel that tells open pages and long polls of changes; see `live.py`."""

ENDS = {f"decision.{status}": status for status in Status if status != Status.PENDING}
NOTICES_AT_ONCE = 200  # after a bulk import pages fetch everything once instead of a thousand times


def dispatch(limit: int = 1000) -> int | None:
    """Give up to `limit` pending entries their positions; return how many, or None if another process is at it.

    One transaction: a crash in the middle changes nothing, and the next run starts from the same rows.
    """
    if not sequencing.is_needed():
        return 0
    with transaction.atomic():
        if not sequencing.lead():
            return None
        entries = sequencing.take(limit)
        if entries:
            _feed(entries)
            _notify(entries)
            query_prepared(FOLD_SQL, [TALLIED_AT_ONCE])
    return len(entries)


TALLIED_AT_ONCE = 10_000
"""Changes added to the tallies with one batch of entries, which is more than its entries say."""
FOLD_SQL = "select approvals_tally_fold(%s)"


def heartbeat(name: str, now: datetime) -> None:
    """Save that this process is alive."""
    Heartbeat.objects.update_or_create(name=name, defaults={"seen_at": now})


# The outer join: an end without its decision must fail, not be left out of the feed.
APPEND_TO_FEED_SQL = """
with last as (select coalesce(max(position), 0) as position from approvals_feedentry)
insert into approvals_feedentry (position, decision_id, status, at)
select last.position + ended.ordinal, decision.id, ended.status, ended.at
from last, unnest(%s::uuid[], %s::text[], %s::timestamptz[]) with ordinality as ended (decision_id, status, at, ordinal)
left join approvals_decision decision using (decision_id)
returning position
"""


def _feed(entries: Sequence[Sequenced]) -> None:
    """Give each change to a non-pending status the next position; only the sequencer does, so none is skipped."""
    if ends := [entry for entry in entries if entry.type in ENDS]:
        ids, times = [entry.object_id for entry in ends], [entry.at for entry in ends]
        query(APPEND_TO_FEED_SQL, [ids, [ENDS[entry.type] for entry in ends], times])


NOTIFY_SQL = "select pg_notify(%s, notice) from unnest(%s::text[]) notice"


def _notify(entries: Sequence[Sequenced]) -> None:
    """Notify open pages and long polls; a notice has only the event, the object's id and the entry's log position."""
    notices = [notice for notice in map(notice_of, entries) if notice]
    if len(notices) > NOTICES_AT_ONCE:
        notices = [{"event": "stats", "id": notices[-1]["id"]}]
    if notices:
        payloads = [json.dumps(notice) for notice in notices]
        query_prepared(NOTIFY_SQL, [LIVE, payloads])


def notice_of(entry: Sequenced) -> dict[str, Any] | None:
    """Return the notice about an entry; None for entries that no page shows live."""
    if entry.object_type != "decision":
        return None
    event = "decision.changed" if entry.type.startswith("decision.") else entry.type
    if event == "review.withdrawn":
        event = "review.recorded"  # the same to a page: the approvals changed
    if event not in {"decision.changed", "patch.submitted", "review.recorded"}:
        return None
    return {"event": event, "decision_id": entry.object_id, "id": entry.seq}
