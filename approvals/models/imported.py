"""Decisions that were made in another system: kept and shown as such, never decisions of this one."""

import json
from typing import Any

from django.contrib.postgres.fields import ArrayField
from django.contrib.postgres.indexes import GinIndex
from django.db import models
from django.db.models import Q

from .decision import Status
from .text import Text

MAX_NAME = 255  # characters; the longest id either system can hold


class Source(models.TextChoices):
    """The systems whose history can be imported."""

    REFERENCE_API = "reference_api", "the reference API"
    WORKFLOW_GATES = "workflow_gates", "the workflow gates"


IMPORTED_OUTCOMES = (Status.APPROVED, Status.AUTO_APPROVED, Status.REJECTED, Status.CANCELLED, Status.EXPIRED)
"""The ends that the other systems know and that mean here what they meant there."""


class ImportedDecision(models.Model):
    """One decided row of another system (append-only). It has no diff, digest or reviews, and no place in the queue,
    the feed or the figures. `record` is the row as it stood there, with its history, as JSON; it can be erased."""

    source = models.CharField(max_length=20, choices=Source)
    source_id = models.CharField(max_length=MAX_NAME)
    outcome = models.CharField(max_length=20, choices=[(outcome, outcome.label) for outcome in IMPORTED_OUTCOMES])
    decided_at = models.DateTimeField(null=True, help_text="As the other system says; null where it does not.")
    imported_at = models.DateTimeField()
    heading = models.CharField(max_length=500)
    names = ArrayField(models.CharField(max_length=MAX_NAME), help_text="In small letters: by these it is found.")
    record = models.OneToOneField(Text, models.PROTECT, related_name="imported")

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["source", "source_id"], name="imported_once"),
            models.CheckConstraint(condition=Q(source__in=Source.values), name="imported_source"),
            models.CheckConstraint(condition=Q(outcome__in=IMPORTED_OUTCOMES), name="imported_outcome"),
        ]
        indexes = [GinIndex(fields=["names"], name="imported_by_name")]  # queries/imported.found

    def __str__(self) -> str:
        return self.heading

    @property
    def decided_by(self) -> str:
        """Return who decided, as the other system says; '' where it does not, or the record is erased."""
        return str(self.row.get("decided_by") or "")

    @property
    def row(self) -> dict[str, Any]:
        """Return the row as it stood in the other system."""
        return dict(self._parts.get("row", {}))

    @property
    def history(self) -> list[dict[str, Any]]:
        """Return the rows of its history there, oldest first."""
        return list(self._parts.get("history", []))

    @property
    def _parts(self) -> dict[str, Any]:
        return dict(json.loads(self.record.body)) if self.record.body else {}
