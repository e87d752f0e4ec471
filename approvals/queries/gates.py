"""Workflow gates, the decisions without a diff: lists of them, single ones, and statistics."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.db.models import Avg, Count, F, Prefetch, Q, QuerySet

from approvals.errors import NotFound
from approvals.models import NO_DEADLINE, DeciderKind, Decision, Producer, Review, Status, Verdict, Waiting
from approvals.policy.rules import Reviewer

from .decisions import by_id
from .history import ORDER as NEWEST_FIRST
from .queue import COUNT_LIMIT, ORDERS, needs_approval_of

URGENT, EXPIRING = timedelta(minutes=15), timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class GateFilters:
    """What a list of gates is narrowed to; '' and None mean 'any'."""

    workflow_id: str = ""
    job_id: str = ""
    execution_id: str = ""
    status: str = ""
    since: datetime | None = None
    until: datetime | None = None


def gate_by_id(decision_id: str, producer: Producer | None) -> Decision:
    """Return the decision of a gate; a producer finds only its own. Raise NotFound."""
    decision = by_id(decision_id, producer)
    if not decision.patch.is_gate or (producer and decision.patch.producer_id != producer.pk):
        raise NotFound("There is no such gate.")
    return decision


def gates(filters: GateFilters, producer: Producer | None) -> QuerySet[Decision]:
    """Return the decisions of the gates that match, of one producer or of all; lazily, in no order."""
    rows = Decision.objects.filter(patch__gate__isnull=False)
    if producer:
        rows = rows.filter(patch__producer=producer)
    for name in ("workflow_id", "job_id", "execution_id"):
        if value := getattr(filters, name):
            rows = rows.filter(**{f"patch__gate__{name}": value})
    if filters.status:
        rows = rows.filter(status=filters.status)
    if filters.since:
        rows = rows.filter(created_at__gte=filters.since)
    if filters.until:
        rows = rows.filter(created_at__lt=filters.until)
    return rows


def pending_gates(rows: QuerySet[Decision], person: Reviewer | None = None) -> QuerySet[Decision]:
    """Return the pending ones in the queue's order; with a person only those that need their approval."""
    rows = rows.filter(status=Status.PENDING).order_by(*ORDERS["priority"])
    return _needing_approval(rows, person) if person else rows


def _needing_approval(rows: QuerySet[Decision], person: Reviewer) -> QuerySet[Decision]:
    return rows.filter(waiting__in=Waiting.objects.filter(needs_approval_of(person)))


def ended(rows: QuerySet[Decision]) -> QuerySet[Decision]:
    """Return those that are decided, the latest first."""
    return rows.exclude(status=Status.PENDING).order_by(*NEWEST_FIRST)


def part(rows: QuerySet[Decision], first: int, size: int) -> tuple[list[Decision], int]:
    """Return one page of a list with all that an answer shows, and how many rows there are, counted up to 1,001; three
    queries."""
    total = len(rows.order_by().values_list("pk", flat=True)[: COUNT_LIMIT + 1])
    related = rows.select_related("patch__producer", "patch__gate", "policy_version__policy", "reason", "revocation")
    live_reviews = Review.objects.filter(withdrawn_at=None).select_related("reviewer", "text").order_by("id")
    return list(related.prefetch_related(Prefetch("reviews", live_reviews))[first : first + size]), total


def gate_statistics(rows: QuerySet[Decision]) -> dict[str, Any]:
    """Return how many gates there are in each state, and mean times in milliseconds (None if there are none):
    how long people took to decide, and how long gates with a deadline gave them. One query."""
    counts = {str(status): Count("pk", filter=Q(status=status)) for status in Status}
    statistics = rows.aggregate(
        total=Count("pk"),
        escalated=Count("pk", filter=Q(status=Status.PENDING, escalation_level__gt=0)),
        decision_time=Avg(F("decided_at") - F("created_at"), filter=Q(decided_by_kind=DeciderKind.HUMAN)),
        time_limit=Avg(F("expire_at") - F("created_at"), filter=Q(expire_at__lt=NO_DEADLINE)),
        **counts,
    )
    decision_time, time_limit = statistics.pop("decision_time"), statistics.pop("time_limit")
    return statistics | {
        "avg_decision_time_ms": _milliseconds(decision_time),
        "avg_timeout_ms": _milliseconds(time_limit),
    }


def gate_statistics_of(person: Reviewer, rows: QuerySet[Decision], now: datetime) -> dict[str, int]:
    """Return how many gates need this person's approval, how many of those end within an hour and within 15 minutes,
    and how many they approved and rejected; two queries."""
    needing = _needing_approval(rows, person)
    pending = needing.aggregate(
        pending=Count("pk"),
        expiring=Count("pk", filter=Q(expire_at__lte=now + EXPIRING)),
        urgent=Count("pk", filter=Q(expire_at__lte=now + URGENT)),
    )
    own_reviews = Review.objects.filter(reviewer=person.id, withdrawn_at=None, decision__in=rows.values("pk"))
    verdicts = own_reviews.aggregate(
        approved=Count("pk", filter=Q(verdict=Verdict.APPROVE)), rejected=Count("pk", filter=Q(verdict=Verdict.REJECT))
    )
    return pending | verdicts


def _milliseconds(mean: timedelta | None) -> int | None:
    return None if mean is None else round(mean.total_seconds() * 1000)
