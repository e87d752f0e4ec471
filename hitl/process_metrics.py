"""Lets the metrics of a web process be there from its start, at 0: a counter that is born with 1 has no increase."""

from django.conf import settings
from django_prometheus.middleware import Metrics

from postgresql import pool_metrics

FAILURES = ("500", "503")
"""What answers of ours to a fault have for their status."""


def begin() -> None:
    """Call once in each web process, after it has been forked."""
    for alias, database in settings.DATABASES.items():
        pool_metrics.begin(alias, database["OPTIONS"]["pool"]["max_size"])
    for status in FAILURES:
        Metrics.get_instance().responses_by_status.labels(status=status)
