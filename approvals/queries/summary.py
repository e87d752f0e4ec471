"""The reference API's summary and more, for a period; the page and the API show the same numbers."""

from datetime import datetime
from typing import Any

from approvals.models import Priority, Status

from .deployments import rates
from .tallies import Tallied, tallied


def summary(since: datetime | None, until: datetime | None, now: datetime) -> dict[str, Any]:
    """Return counts, times in seconds and rates 0..1 (None when there is nothing to divide) for the patches that
    arrived in [since, until). `approved` counts people's approvals only; what came of approvals is of the
    latest reports of deployers."""
    after = rates(since, until)
    return numbers_of(tallied(since, until, now)) | {
        "false_positive_rate": after.false_positives,
        "mttr_seconds": after.mttr_seconds,
        "patch_success_rate": after.success,
    }


def numbers_of(found: Tallied) -> dict[str, Any]:
    """Return the part of the summary that is counted of decisions.

    Times are of people's decisions only: a policy that approves in a millisecond would make people look fast, and a
    lead who cancels old patches would make them look slow. SLA compliance counts what people decided, and all that is
    late.
    """
    statuses = {str(status): found.total("status", status) for status in Status}
    late, met = found.total("late"), found.total("sla", "met")
    decided = sum(statuses[status] for status in (Status.AUTO_APPROVED, Status.APPROVED, Status.REJECTED))
    return {
        "total_patches": sum(statuses.values()),
        **statuses,
        "avg_decision_time_seconds": _rate(found.total("microseconds") / 1_000_000, found.total("people")),
        "median_decision_time_seconds": found.seconds.get(0.5),
        "p95_decision_time_seconds": found.seconds.get(0.95),
        "ml_accuracy": _rate(found.total("agrees", "true"), found.total("agrees")),
        "sla_compliance": _rate(met, found.total("sla") + late),
        "sla_breached": late,
        "auto_approval_rate": _rate(statuses[Status.AUTO_APPROVED], decided),
        "by_priority": {
            priority.name.lower(): {str(status): found.counts.get(("status", status, priority), 0) for status in Status}
            for priority in reversed(Priority)
        },
    }


def _rate(part: float, whole: int) -> float | None:
    return part / whole if whole else None
