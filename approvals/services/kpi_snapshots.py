"""Compute KPI snapshots ahead of time. Their only writer; a page that finds none computes the numbers itself."""

from datetime import datetime

from approvals.models import KeyFigures
from approvals.queries.kpis import MONTH, count_month, count_trends


def keep_kpi_snapshot(now: datetime) -> None:
    """Save the queue's KPIs of the last 30 days and their trends, so that the page computes neither."""
    value = count_month(now) | count_trends(now)
    KeyFigures.objects.update_or_create(name=MONTH, defaults={"value": value, "counted_at": now})
