"""The pending queue: filters, orders, counts and what each card shows."""

from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass, fields, replace
from datetime import datetime
from email.utils import parseaddr
from typing import Any
from uuid import UUID

from django.db.models import Case as CaseWhen
from django.db.models import Count, Exists, F, Func, OuterRef, Q, QuerySet, Value, When

from approvals.models import NO_DEADLINE, Decision, PatchView, Priority, Review, Status, User, Verdict
from approvals.policy.quorum import must_come_from
from approvals.policy.rules import ROLES, Intent, Person, refusal

from .case import case
from .keyset import cursor_at, page
from .people import approvers
from .search import matching
from .workbench import presence_of

ORDERS: dict[str, list[str]] = {
    "priority": ["-priority", "sla_due_at", "id"],
    "age": ["created_at", "id"],
    "sla": ["sla_due_at", "id"],
    "confidence": ["confidence", "id"],
}
"""Every order has its partial index on `Decision`; there is no order without one."""

COUNT_LIMIT = 1_000
FACET_LIMIT = 50
FACETS = {
    "cwe": "patch__cwe_ids",
    "package": "patch__package_name",
    "ecosystem": "patch__ecosystem",
    "language": "patch__language",
    "producer": "patch__producer__name",
    "policy": "policy_version__policy__name",
}


@dataclass(frozen=True, slots=True)
class Filters:
    """What the caller narrows the queue to; '' and None mean 'any'."""

    priority: str = ""
    severity: str = ""
    cwe: str = ""
    cve: str = ""
    package: str = ""
    ecosystem: str = ""
    language: str = ""
    confidence_min: float | None = None
    confidence_max: float | None = None
    wargaming: str = ""
    sla: str = ""
    producer: str = ""
    policy: str = ""
    escalated: bool = False
    mine: bool = False
    q: str = ""

    def active(self) -> int:
        """Return how many filters narrow the list; the priority tab and the search box show themselves."""
        narrowing = [item for item in fields(self) if item.name not in {"priority", "q"}]
        return sum(getattr(self, item.name) != item.default for item in narrowing)


def pending(filters: Filters, now: datetime, person: Person | None = None) -> QuerySet[Decision]:
    """Return the pending decisions that match; lazily, in no order."""
    rows = Decision.objects.filter(status=Status.PENDING).select_related("patch__producer", "policy_version__policy")
    rows = rows.filter(_on_decision(filters, now)).filter(_on_patch(filters))
    if filters.mine:
        rows = rows.filter(needs_approval_of(person)) if person else rows.none()
    return matching(rows, filters.q, "patch__search") if filters.q else rows


def _on_decision(filters: Filters, now: datetime) -> Q:
    condition = Q()
    if filters.priority:
        condition &= Q(priority=Priority[filters.priority.upper()])
    if filters.sla == "breached":
        condition &= Q(sla_due_at__lte=now)
    elif filters.sla == "warning":
        condition &= Q(sla_warn_at__lte=now, sla_due_at__gt=now)
    elif filters.sla == "ok":
        condition &= Q(sla_warn_at__gt=now, sla_due_at__gt=now) & ~Q(sla_due_at=NO_DEADLINE)
    elif filters.sla == "none":
        condition &= Q(sla_due_at=NO_DEADLINE)
    if filters.policy:
        condition &= Q(policy_version__policy__name=filters.policy)
    if filters.escalated:
        condition &= Q(escalation_level__gt=0)
    if filters.confidence_min is not None:
        condition &= Q(confidence__gte=filters.confidence_min)
    if filters.confidence_max is not None:
        condition &= Q(confidence__gte=0, confidence__lte=filters.confidence_max)
    return condition


def _on_patch(filters: Filters) -> Q:
    condition = Q()
    if filters.severity:
        condition &= Q(patch__effective_severity=filters.severity)
    if filters.cwe:
        condition &= Q(patch__cwe_ids__overlap=[filters.cwe, filters.cwe.upper()])
    if filters.cve:
        condition &= Q(patch__cve_ids__contains=[filters.cve.upper()])
    for name, column in (("package", "package_name"), ("ecosystem", "ecosystem"), ("language", "language")):
        if value := getattr(filters, name):
            condition &= Q(**{f"patch__{column}": value})
    if filters.producer:
        condition &= Q(patch__producer__name=filters.producer)
    if filters.wargaming == "disagrees":
        condition &= Q(patch__ml_prediction=True, patch__wargaming="failed") | Q(
            patch__ml_prediction=False, patch__wargaming="passed"
        )
    elif filters.wargaming:
        condition &= Q(patch__wargaming=filters.wargaming)
    return condition


def needs_approval_of(person: Person) -> Q:
    """Return 'needs my approval' in SQL: I am a reviewer, have no live review here, and did not submit it."""
    if "approvals.review_decision" not in person.permissions:
        return Q(pk__in=[])
    mine = Review.objects.filter(decision=OuterRef("pk"), reviewer_id=person.id, withdrawn_at=None)
    submitted = Q(patch__submitted_by__iexact=person.email) | Q(patch__submitted_by__iexact=person.username)
    return ~Exists(mine) & ~submitted


def without(filters: Filters, name: str) -> Filters:
    """Return the filters with one of them off: what a tab or a facet counts under."""
    return having(filters, name, next(item.default for item in fields(filters) if item.name == name))


def having(filters: Filters, name: str, value: Any) -> Filters:
    """Return the filters with one of them set."""
    return replace(filters, **{name: value})


def arrivals(rows: QuerySet[Decision], since: datetime | None, ids: Collection[UUID]) -> QuerySet[Decision]:
    """Return which of these rows came after a moment, or are named: a patch may be committed after its own time."""
    named = Q(decision_id__in=ids)
    return rows.filter(Q(created_at__gt=since) | named if since else named)


def facet(rows: QuerySet[Decision], name: str) -> tuple[list[tuple[str, str]], bool]:
    """Return up to 50 values of a facet with their counts, the most frequent first, and whether there are more."""
    column = FACETS[name]
    if name == "cwe":
        rows = rows.annotate(value=Func(F(column), function="unnest"))
    else:
        rows = rows.annotate(value=F(column)).exclude(value="")
    grouped = rows.order_by().values("value").annotate(found=Count("*")).order_by("-found", "value")
    found = list(grouped.values_list("value", "found")[: FACET_LIMIT + 1])
    return [(value, shown_count(count)) for value, count in found[:FACET_LIMIT]], len(found) > FACET_LIMIT


def counted(rows: QuerySet[Any]) -> str:
    """Return an exact count up to 1,000, then '1,000+': counting a million rows to show a number helps nobody."""
    found = len(rows.order_by().values_list("pk", flat=True)[: COUNT_LIMIT + 1])
    return shown_count(found)


def counted_pending(rows: QuerySet[Decision]) -> str:
    """Return the count of pending decisions as `counted` does.

    In queue order, for the sake of its plan: free to choose, PostgreSQL expects a thousand matches soon whatever it
    reads, and joins from the oldest patch on. Pending ones are young: measured with 1,000,000 patches, it read 700,000
    decided ones first.
    """
    found = len(rows.order_by(*ORDERS["priority"]).values_list("pk", flat=True)[: COUNT_LIMIT + 1])
    return shown_count(found)


def shown_count(found: int) -> str:
    return f"{COUNT_LIMIT:,}+" if found > COUNT_LIMIT else f"{found:,}"


def counts_by_priority(rows: QuerySet[Decision]) -> dict[str, str]:
    """Return the count of each priority tab and of 'all', each exact up to 1,000; one query."""
    bare = rows.order_by().values_list("priority", flat=True)
    few = [bare.filter(priority=priority)[: COUNT_LIMIT + 1] for priority in Priority]
    found = Counter(few[0].union(*few[1:], all=True))
    return {"all": shown_count(found.total())} | {
        priority.name.lower(): shown_count(found[priority]) for priority in Priority
    }


def sla_state(decision: Decision, now: datetime) -> str:
    """Return ok, warning, breached or none."""
    if decision.sla_due_at == NO_DEADLINE:
        return "none"
    if now >= decision.sla_due_at:
        return "breached"
    return "warning" if now >= decision.sla_warn_at else "ok"


def dress(decisions: list[Decision], person: Person, now: datetime) -> list[Decision]:
    """Set on each decision what its card shows: approvers, open slots, whether this person may act, who else has its
    page open; three queries."""
    ids = [decision.pk for decision in decisions]
    reviews: dict[int, list[Review]] = {pk: [] for pk in ids}
    for review in Review.objects.filter(decision__in=ids, withdrawn_at=None).select_related("reviewer").order_by("id"):
        reviews[review.decision_id].append(review)
    opened = set(
        PatchView.objects.filter(user=person.id, patch__decision__in=ids).values_list("patch__decision", flat=True)
    )
    present = presence_of(decisions, person.id, now)
    for decision in decisions:
        live = reviews[decision.pk]
        decision.others_present = present.get(decision.patch_id, [])  # type: ignore[attr-defined]
        given = [review.reviewer for review in live if review.verdict == Verdict.APPROVE]
        seen = Intent(Verdict.APPROVE, decision.patch.sha256)  # as on its page; the card says if it is unopened
        decision.approvers = given  # type: ignore[attr-defined]
        decision.open_slots = [None] * max(0, decision.required_approvals - len(given))  # type: ignore[attr-defined]
        decision.opened_by_me = decision.pk in opened  # type: ignore[attr-defined]
        decision.why_not = refusal(case(decision, live), person, seen, now)  # type: ignore[attr-defined]
        decision.may_review = "approvals.review_decision" in person.permissions  # type: ignore[attr-defined]
    return decisions


def neighbours(
    decision: Decision, filters: Filters, order: str, person: Person, now: datetime
) -> tuple[Decision | None, Decision | None]:
    """Return the pending decisions before and after this one in a list; two index look-ups."""
    rows, columns = pending(filters, now, person).exclude(pk=decision.pk), ORDERS[order]
    found = [page(rows, columns, cursor_at(back, decision, columns), limit=1).rows for back in (True, False)]
    before, after = (rows[0] if rows else None for rows in found)
    return before, after


def who_can(decision: Decision) -> Sequence[User]:
    """Return up to five active people whose approval helps: their groups let them review, they are not named on the
    patch and, where only an approval from a group is missing, they are in it; members of required groups come first."""
    live = list(Review.objects.filter(decision=decision, withdrawn_at=None).values_list("reviewer", "verdict"))
    people = User.objects.filter(is_active=True, groups__permissions__codename="review_decision").exclude(
        pk__in=[reviewer for reviewer, _ in live]
    )
    given = approvers(reviewer for reviewer, verdict in live if verdict == Verdict.APPROVE)
    if only := must_come_from(given, decision.required_approvals, decision.required_groups):
        people = people.filter(pk__in=User.objects.filter(groups__name__in=only))
    for role in ROLES:
        if name := getattr(decision.patch, role):
            for alias in {name, parseaddr(name)[1] or name}:  # `Alice <alice@example.org>` is alice too
                people = people.exclude(Q(email__iexact=alias) | Q(username__iexact=alias))
    rank = CaseWhen(When(groups__name__in=decision.required_groups, then=Value(0)), default=Value(1))
    return [*dict.fromkeys(people.annotate(rank=rank).order_by("rank", "username")[:20])][:5]
