"""When each background process was last seen."""

from django.db import models


class Heartbeat(models.Model):
    """One row a process name; readiness and a metric read it."""

    name = models.CharField(max_length=30, primary_key=True)
    seen_at = models.DateTimeField()

    def __str__(self) -> str:
        return self.name
