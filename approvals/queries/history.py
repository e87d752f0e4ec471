"""Decided patches, newest first."""

from collections import defaultdict
from dataclasses import dataclass, fields, replace
from datetime import datetime
from typing import Any

from django.db.models import Exists, OuterRef, Q, QuerySet

from approvals.models import NO_DEADLINE, DeciderKind, Decision, Patch, PatchKind, Priority, Review, Status, User

from .decision_facts import read_gates
from .people import named
from .queue import COUNT_LIMIT, grouped
from .search import matching

ORDER = ["-decided_at", "-id"]


@dataclass(frozen=True, slots=True)
class HistoryFilters:
    """What the reader narrows the history to; '' and None mean 'any'."""

    q: str = ""
    status: str = ""
    priority: str = ""
    kind: str = ""
    reviewer: str = ""
    since: datetime | None = None
    until: datetime | None = None

    def active(self) -> int:
        """Return how many filters narrow the list."""
        return sum(getattr(self, item.name) != item.default for item in fields(self))


def decided(filters: HistoryFilters) -> QuerySet[Decision]:
    """Return the decided decisions that match all but the search; lazily, in no order."""
    rows = Decision.objects.exclude(status=Status.PENDING).select_related(
        "patch__producer", "policy_version__policy", "decided_by_user"
    )
    condition = Q()
    if filters.status:
        condition &= Q(status=filters.status)
    if filters.priority:
        condition &= Q(priority=Priority[filters.priority.upper()])
    if filters.kind:
        condition &= of_kind(filters.kind)
    if filters.since:
        condition &= Q(decided_at__gte=filters.since)
    if filters.until:
        condition &= Q(decided_at__lt=filters.until)
    if filters.reviewer:
        reviews = Review.objects.filter(reviewer__in=named(filters.reviewer), withdrawn_at=None)
        rows = rows.filter(Exists(reviews.filter(decision=OuterRef("pk"))))
    return rows.filter(condition)


SEARCH_LIMIT = 5_000
"""So many patches are found first where a search has few, and counted where it has more."""


def found(filters: HistoryFilters) -> QuerySet[Decision]:
    """Return what `decided` does, narrowed to what is searched for. PostgreSQL guesses how rare words are, and where it
    guesses wrong goes back through the whole history: so few patches are found first, and a limit keeps that apart. Of
    many, the newest decided are soon met."""
    if not filters.q:
        return decided(filters)
    patches, few = _sought(filters.q)
    return decided(filters).filter(patch__in=few if few.count() <= SEARCH_LIMIT else patches)


def _sought(text: str) -> tuple[QuerySet[Any], QuerySet[Any]]:
    """Return the patches that a search finds, and one more than `SEARCH_LIMIT` of them."""
    patches = matching(Patch.objects.order_by(), text, "search").values("pk")
    return patches, patches[: SEARCH_LIMIT + 1]


def of_kind(kind: str) -> Q:
    """Return the decisions of gates, or of patches: gates are few and have a table of their own, so that finding them
    needs no index on all patches."""
    return Q(patch__gate__isnull=kind != PatchKind.GATE)


def counts_by_status(filters: HistoryFilters) -> tuple[dict[str, int], bool]:
    """Return the count of each status under the other filters, exact up to `COUNT_LIMIT`, and their sum under ''; and
    whether there may be more, because a search found more than `SEARCH_LIMIT` patches."""
    rows = decided(replace(filters, status="")).order_by().values_list("status", flat=True)
    more = False
    if filters.q:  # the rows are found once, not once for each status
        _, few = _sought(filters.q)
        more = few.count() > SEARCH_LIMIT
        counts = grouped(rows.filter(patch__in=few), "status")
    else:
        each = [rows.filter(status=status)[: COUNT_LIMIT + 1] for status in ENDS]
        counts = grouped(each[0].union(*each[1:], all=True), "status")
    return {"": counts.total()} | {str(status): counts[status] for status in ENDS}, more


ENDS = [status for status in Status if status != Status.PENDING]


@dataclass(frozen=True, slots=True)
class Outcome:
    """A decided decision as the history lists it."""

    decision: Decision
    deciders: list[User]  # none where no person decided
    seconds: float | None  # from arrival to decision
    sla_missed: bool


def outcomes(decisions: list[Decision]) -> list[Outcome]:
    """Return what became of decisions; one query, one more where there are gates."""
    read_gates(decision.patch for decision in decisions)
    reviewers: dict[int, list[User]] = defaultdict(list)
    live = Review.objects.filter(decision__in=decisions, withdrawn_at=None)
    for review in live.select_related("reviewer").order_by("id"):
        reviewers[review.decision_id].append(review.reviewer)
    return [_outcome(decision, reviewers[decision.pk]) for decision in decisions]


def _outcome(decision: Decision, reviewers: list[User]) -> Outcome:
    at, decider = decision.decided_at, decision.decided_by_user
    by_reviewers = reviewers and decision.decided_by_kind == DeciderKind.HUMAN
    return Outcome(
        decision=decision,
        deciders=reviewers if by_reviewers else [decider] if decider else [],
        seconds=(at - decision.created_at).total_seconds() if at else None,
        sla_missed=bool(at and decision.sla_due_at != NO_DEADLINE and at > decision.sla_due_at),
    )
