"""What a page missed while its event stream was disconnected."""

from datetime import datetime, timedelta

from audit.models import Entry
from audit.sequencing import Sequenced

REPLAYED = timedelta(minutes=10)
MOST = 500


def since(position: int, now: datetime) -> list[Sequenced] | None:
    """Return the entries after a position in the log, oldest first; None if they are too old or too many."""
    rows = (
        Entry.objects.filter(leaf__seq__gt=position)
        .order_by("leaf__seq")
        .values_list("leaf__seq", "type", "object_type", "object_id", "at")[: MOST + 1]
    )
    missed = [Sequenced(*row) for row in rows]
    if len(missed) > MOST or (missed and missed[0].at < now - REPLAYED):
        return None
    return missed
