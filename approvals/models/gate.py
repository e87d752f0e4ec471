"""Workflow gates: what a workflow asked people to approve, in addition to the patch row that has its decision."""

import json
from functools import cached_property
from typing import Any

from django.contrib.postgres.fields import ArrayField
from django.db import models

from .patch import Patch


class Gate(models.Model):
    """One revision of one gate, as it was sent. Append-only; its patch's `sha256` is the digest of `document`."""

    patch = models.OneToOneField(Patch, models.PROTECT, primary_key=True, related_name="gate")
    workflow_id = models.CharField(max_length=255)
    job_id = models.CharField(max_length=255)
    execution_id = models.CharField(max_length=255)
    allowed_approvers = ArrayField(
        models.CharField(max_length=255),
        default=list,
        help_text="User names and e-mail addresses, folded; none means whom the policy lets decide.",
    )
    document = models.TextField(help_text="The request as canonical JSON (RFC 8785), byte for byte what is approved.")

    class Meta:
        indexes = [models.Index(fields=["workflow_id"], name="gate_by_workflow")]  # /api/approvals?workflow_id=

    def __str__(self) -> str:
        return f"{self.workflow_id} / {self.job_id} / {self.execution_id}"

    @cached_property
    def request(self) -> dict[str, Any]:
        """Return the request as it was sent, with defaults for what was left out."""
        sent: dict[str, Any] = json.loads(self.document)
        return sent
