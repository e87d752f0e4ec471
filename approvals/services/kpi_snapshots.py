"""Count key figures ahead. The only writer of them; a page that finds none counts for itself."""

from datetime import datetime

from approvals.models import KeyFigures
from approvals.queries.kpis import MONTH, count_course, count_month


def keep_kpi_snapshot(now: datetime) -> None:
    """Keep the queue's figures of the last 30 days and their course, so that its page reads neither."""
    value = count_month(now) | count_course(now)
    KeyFigures.objects.update_or_create(name=MONTH, defaults={"value": value, "counted_at": now})
