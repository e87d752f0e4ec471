"""What background work stores: when each process was last seen, and KPI snapshots."""

from django.db import models


class Heartbeat(models.Model):
    """When a process was last seen; readiness and a metric read it."""

    name = models.CharField(max_length=30, primary_key=True)
    seen_at = models.DateTimeField()

    def __str__(self) -> str:
        return self.name


class KeyFigures(models.Model):
    """A KPI snapshot: numbers too slow to compute at every page view. May be deleted at any time."""

    name = models.CharField(max_length=30, primary_key=True)
    value = models.JSONField()
    counted_at = models.DateTimeField()

    class Meta:
        verbose_name_plural = "key figures"

    def __str__(self) -> str:
        return self.name
