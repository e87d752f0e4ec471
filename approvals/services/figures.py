"""Count key figures ahead. The only writer of them; a page that finds none counts for itself."""

from datetime import datetime

from approvals.models import KeyFigures
from approvals.queries.kpis import MONTH, count_month


def keep_month(now: datetime) -> None:
    """Keep the queue's figures of the last 30 days, so that its page need not read every patch of them."""
    KeyFigures.objects.update_or_create(name=MONTH, defaults={"value": count_month(now), "counted_at": now})
