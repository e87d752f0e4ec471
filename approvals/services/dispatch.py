"""Take committed entries out of the outbox: log positions, feed positions, live notices. The sequencer's one step."""

import json
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from django.db import transaction

from approvals.models import Heartbeat, Status
from audit import sequencing
from audit.sequencing import Sequenced
from audit.statements import query, query_prepared

LIVE = "hitl_live"
"""PostgreSQL channel on which open pages and long polls hear that something changed; see `live.py`."""

ENDS = {f"decision.{status}": status for status in Status if status != Status.PENDING}
NOTICES_AT_ONCE = 200  # a bulk import tells pages to refetch once instead of a thousand times


def dispatch(limit: int = 1000) -> int | None:
    """Place up to `limit` pending entries; return how many, or None when another process is the sequencer.

    One transaction: a crash in the middle places nothing, and the next run starts from the same rows.
    """
    with transaction.atomic():
        if not sequencing.lead():
            return None
        taken = sequencing.take(limit)
        if taken:
            _feed(taken)
            _notify(taken)
    return len(taken)


def heartbeat(name: str, now: datetime) -> None:
    """Say that this process is alive."""
    Heartbeat.objects.update_or_create(name=name, defaults={"seen_at": now})


# The outer join: an end without its decision must fail, not be left out of the feed.
FEED = """
with last as (select coalesce(max(position), 0) as position from approvals_feedentry)
insert into approvals_feedentry (position, decision_id, status, at)
select last.position + ended.place, decision.id, ended.status, ended.at
from last, unnest(%s::uuid[], %s::text[], %s::timestamptz[]) with ordinality as ended (decision_id, status, at, place)
left join approvals_decision decision using (decision_id)
returning position
"""


def _feed(taken: Sequence[Sequenced]) -> None:
    """Give each change to a non-pending status the next position; only the sequencer does, so none is skipped."""
    if ends := [entry for entry in taken if entry.type in ENDS]:
        ids, times = [entry.object_id for entry in ends], [entry.at for entry in ends]
        query(FEED, [ids, [ENDS[entry.type] for entry in ends], times])


def _notify(taken: Sequence[Sequenced]) -> None:
    """Tell open pages and long polls; each notice names the thing and its place in the log, nothing more."""
    notices = [notice for notice in map(notice_of, taken) if notice]
    if len(notices) > NOTICES_AT_ONCE:
        notices = [{"event": "stats", "id": notices[-1]["id"]}]
    if notices:
        texts = [json.dumps(notice) for notice in notices]
        query_prepared("select pg_notify(%s, notice) from unnest(%s::text[]) notice", [LIVE, texts])


def notice_of(entry: Sequenced) -> dict[str, Any] | None:
    """Return what a page is told of an entry; None for entries no page shows live."""
    if entry.object_type != "decision":
        return None
    event = "decision.changed" if entry.type.startswith("decision.") else entry.type
    if event == "review.withdrawn":
        event = "review.recorded"  # the same to a page: the approvals changed
    if event not in {"decision.changed", "patch.submitted", "review.recorded"}:
        return None
    return {"event": event, "decision_id": entry.object_id, "id": entry.seq}
