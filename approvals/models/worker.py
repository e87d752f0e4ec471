"""What background work leaves behind: when each process was last seen, and key figures counted ahead."""

from django.db import models


class Heartbeat(models.Model):
    """One row a process name; readiness and a metric read it."""

    name = models.CharField(max_length=30, primary_key=True)
    seen_at = models.DateTimeField()

    def __str__(self) -> str:
        return self.name


class KeyFigures(models.Model):
    """Numbers too dear to count at every page view, as the worker last counted them. May be dropped at any time."""

    name = models.CharField(max_length=30, primary_key=True)
    value = models.JSONField()
    counted_at = models.DateTimeField()

    class Meta:
        verbose_name_plural = "key figures"

    def __str__(self) -> str:
        return self.name
