"""Decisions for documents of other standards: what was decided, and what of it is approved and deployed."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db.models import OuterRef, QuerySet, Subquery

from approvals.models import Decision, DeploymentResult, OutcomeReport, Producer, Status
from approvals.policy.vulnerability import alias_names

from .decisions import by_either_id
from .revocable import APPROVED

JUDGED = [*APPROVED, Status.REJECTED, Status.CHANGES_REQUESTED, Status.REVOKED]
"""Ends that are somebody's judgement of the patch; what expired or was replaced was not judged."""


@dataclass(frozen=True, slots=True)
class ExportFilters:
    """What a document is narrowed to; '' and None mean 'any'. `cve` is any name of a vulnerability."""

    decision_id: str = ""
    cve: str = ""
    package: str = ""
    repository: str = ""
    since: datetime | None = None
    until: datetime | None = None


def judged(filters: ExportFilters, producer: Producer | None) -> QuerySet[Any]:
    """Return the judged patches that match, of one producer or of all; lazily, in no order."""
    rows = Decision.objects.filter(status__in=JUDGED, patch__gate__isnull=True)
    if filters.decision_id:
        rows = rows.filter(by_either_id(filters.decision_id))
    if producer:
        rows = rows.filter(patch__producer=producer)
    if filters.cve:
        rows = rows.filter(patch__vulnerability_ids__overlap=alias_names(filters.cve) or [filters.cve.upper()])
    if filters.package:
        rows = rows.filter(patch__package_name=filters.package)
    if filters.repository:
        rows = rows.filter(patch__repository=filters.repository)
    if filters.since:
        rows = rows.filter(decided_at__gte=filters.since)
    if filters.until:
        rows = rows.filter(decided_at__lt=filters.until)
    return with_deployment(rows)


def with_deployment(rows: QuerySet[Decision]) -> QuerySet[Any]:
    """Return the rows with `last_result`, the last word of deployers about each, and `last_deployed_at`; an alarm is no
    word about what was approved."""
    words = OutcomeReport.objects.filter(decision=OuterRef("pk"), alarm="").order_by("-id")
    return (
        rows.annotate(
            last_result=Subquery(words.values("result")[:1]),
            last_deployed_at=Subquery(words.filter(result=DeploymentResult.DEPLOYED).values("deployed_at")[:1]),
        )
        .select_related("patch__producer", "reason", "revocation")
        .defer("patch__wargaming_log")
    )


def deployed_fixes(filters: ExportFilters, producer: Producer | None) -> QuerySet[Any]:
    """Return those that are approved, name a vulnerability, and are deployed by the last word of deployers."""
    deployed = OutcomeReport.objects.filter(result=DeploymentResult.DEPLOYED, alarm="")  # few, beside all approvals
    rows = judged(filters, producer).filter(status__in=APPROVED, pk__in=deployed.values("decision"))
    rows = rows.filter(last_result=DeploymentResult.DEPLOYED)
    return rows.exclude(patch__vulnerability_ids=[])
