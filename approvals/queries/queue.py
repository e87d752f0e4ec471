"""The pending queue: filters, orders and counts; `cards` has what each card shows."""

from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, fields, replace
from datetime import datetime
from typing import Any
from uuid import UUID

from django.core.exceptions import EmptyResultSet
from django.db.models import Case as CaseWhen
from django.db.models import Count, Exists, F, Func, Model, OuterRef, Q, QuerySet, Subquery, Value, When

from approvals.models import (
    NO_DEADLINE,
    Decision,
    Delegation,
    Gate,
    Patch,
    PatchKind,
    Policy,
    PolicyVersion,
    Priority,
    Producer,
    Status,
    User,
    Verdict,
    Voice,
    Waiting,
)
from approvals.permissions import REVIEW_DECISION
from approvals.policy.quorum import must_come_from
from approvals.policy.rules import ROLES, Reviewer, ever_named, gate_names
from approvals.policy.submitters import same
from approvals.policy.vulnerability import alias_names
from approvals.policy.weakness import sought as weaknesses_sought
from postgresql.statements import query, query_prepared

from .keyset import beside
from .people import accounts_named, approvers, ids_by_name
from .search import matching

ORDERS: dict[str, list[str]] = {
    "priority": ["-priority", "sla_due_at", "pk"],
    "age": ["created_at", "pk"],
    "sla": ["sla_due_at", "pk"],
    "confidence": ["confidence", "pk"],
}
"""Every order has its index on `Waiting`; there is no order without one."""

COUNT_LIMIT = 1_000
"""Rows are counted up to one more than this: counting a million of them to show a number helps nobody."""
READ_LIMIT = 20_000  # rows read once to count all tabs; above it, counting up to 1,000 for each tab is faster
FACET_LIMIT = 50
FACETS = {
    "cwe": "cwe_ids",
    "package": "package_name",
    "ecosystem": "ecosystem",
    "language": "language",
    "producer": "producer__name",
    "policy": "policy__name",
}


@dataclass(frozen=True, slots=True)
class Filters:
    """What the caller narrows the queue to; '' and None mean 'any'."""

    priority: str = ""
    severity: str = ""
    kind: str = ""
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
    careful: bool = False
    mine: bool = False
    lines: str = ""
    q: str = ""

    def active(self) -> int:
        """Return how many filters narrow the list; the priority tab and the search box show themselves."""
        narrowing = [item for item in fields(self) if item.name not in {"priority", "q"}]
        return sum(getattr(self, item.name) != item.default for item in narrowing)


def pending() -> QuerySet[Decision]:
    """Return the pending decisions with what their cards say; lazily, in no order."""
    return Decision.objects.filter(status=Status.PENDING).select_related("patch__producer", "policy_version__policy")


def queue_rows(
    filters: Filters, now: datetime, person: Reviewer | None = None, unseen: Collection[str] = ()
) -> QuerySet[Waiting]:
    """Return the queue rows that match; lazily, in no order. The search text finds no patch by its `unseen` columns
    alone."""
    rows = Waiting.objects.filter(*_conditions(filters, now))
    if filters.mine:
        rows = rows.filter(needs_approval_of(person)) if person else rows.none()
    return matching(rows, filters.q, "search", unseen) if filters.q else rows


def _conditions(filters: Filters, now: datetime) -> Iterator[Q]:
    """Yield one condition for each filter that is set."""
    if filters.priority:
        yield Q(priority=Priority[filters.priority.upper()])
    if filters.sla:
        yield _in_sla_state(filters.sla, now)
    if filters.escalated:
        yield Q(escalation_level__gt=0)
    if filters.careful:
        yield ~Q(decision__patch__worst_mark="")
    if filters.confidence_min is not None:
        yield Q(confidence__gte=filters.confidence_min)
    if filters.confidence_max is not None:
        yield Q(confidence__gte=0, confidence__lte=filters.confidence_max)
    if filters.kind:
        gate = Exists(Decision.objects.filter(pk=OuterRef("pk"), patch__in=Gate.objects.values("pk")))
        yield Q(gate) if filters.kind == PatchKind.GATE else ~Q(gate)
    if filters.cwe:
        yield Q(cwe_ids__overlap=weaknesses_sought(filters.cwe))
    if filters.cve:
        names = alias_names(filters.cve) or [filters.cve.upper()]
        patches = Patch.objects.filter(vulnerability_ids__overlap=names)
        yield Q(pk__in=Decision.objects.filter(status=Status.PENDING, patch__in=patches).values("pk"))
    if filters.lines:  # few change the same lines: the index on patches finds them, without a column on queue rows
        same_lines = Q(change_sha256=filters.lines) | Q(change_spaceless_sha256=filters.lines)
        yield Q(pk__in=Decision.objects.filter(patch__in=Patch.objects.filter(same_lines)).values("pk"))
    if filters.wargaming == "disagrees":
        yield Q(ml_prediction=True, wargaming="failed") | Q(ml_prediction=False, wargaming="passed")
    elif filters.wargaming:
        yield Q(wargaming=filters.wargaming)
    for name, column in EQUALITY_FILTERS.items():
        if value := getattr(filters, name):
            yield Q(**{column: value})
    for name, model in NAME_FILTERS.items():
        if value := getattr(filters, name):  # by its key, which the indexes have
            yield Q(**{name: model._default_manager.filter(name=value).values("pk")[:1]})


EQUALITY_FILTERS = {
    "severity": "severity",
    "package": "package_name",
    "ecosystem": "ecosystem",
    "language": "language",
}
"""Filters that compare one column with one value."""
NAME_FILTERS: dict[str, type[Model]] = {"producer": Producer, "policy": Policy}
SEARCH_FILTERS = {"q", "cwe", "cve", "package", "lines"}
"""Filters for which finding the rows is the costly part, each by an index of its own."""


def _in_sla_state(state: str, now: datetime) -> Q:
    if state == "breached":
        return Q(sla_due_at__lte=now)
    if state == "warning":
        return Q(sla_warn_at__lte=now, sla_due_at__gt=now)
    if state == "ok":
        return Q(sla_warn_at__gt=now, sla_due_at__gt=now) & ~Q(sla_due_at=NO_DEADLINE)
    return Q(sla_due_at=NO_DEADLINE)


def needs_approval_of(person: Reviewer) -> Q:
    """Return 'needs my approval' in SQL, for queue rows: I am a reviewer, neither I nor anybody in my name has a live
    review here, I did not submit it, am in one of the groups that decide under its policy, and a gate that names people
    names me."""
    if REVIEW_DECISION not in person.permissions:
        return Q(pk__in=[])
    own_reviews = Voice.objects.filter(decision=OuterRef("pk"), user=person.id)
    # A look-up of the gate by its key for each row. As a join, PostgreSQL without statistics reads whole tables again
    # for each row, which takes a minute for 100 rows.
    patch = Decision.objects.filter(pk=OuterRef(OuterRef("pk"))).values("patch_id")
    naming_gates = Gate.objects.filter(pk=Subquery(patch), allowed_approvers__len__gt=0)
    gates_of_others = naming_gates.exclude(allowed_approvers__overlap=sorted(gate_names(person)))
    condition = ~Exists(own_reviews) & ~Exists(gates_of_others) & ~_submitted_by(ever_named(person))
    # Few policies name groups; mostly this is one query and no join.
    closed = PolicyVersion.objects.exclude(decider_groups=[]).exclude(decider_groups__overlap=list(person.groups))
    if closed_keys := list(closed.values_list("pk", flat=True)):
        condition &= ~Q(decision__policy_version__in=closed_keys)
    return condition


def _submitted_by(names: frozenset[str]) -> Q:
    """Return, in SQL, whether a queue row was submitted under one of these names, also with a +tag in the address."""
    condition = Q(pk__in=[])
    for name in sorted({same(name) for name in names}):
        local, at, domain = name.rpartition("@")
        condition |= Q(submitted_by__iexact=name)
        if at:
            condition |= Q(submitted_by__istartswith=f"{local}+", submitted_by__iendswith=f"@{domain}")
    return condition


def without(filters: Filters, name: str) -> Filters:
    """Return the filters with one of them off, under which a tab or a facet is counted."""
    return having(filters, name, next(item.default for item in fields(filters) if item.name == name))


def having(filters: Filters, name: str, value: Any) -> Filters:
    """Return the filters with one of them set."""
    return replace(filters, **{name: value})


def arrivals(rows: QuerySet[Waiting], since: datetime | None, ids: Collection[UUID]) -> QuerySet[Waiting]:
    """Return the rows that came after a time or have one of these ids: a patch may be committed later than its time."""
    has_id = Q(decision_id__in=ids)
    arrived = Decision.objects.filter(Q(created_at__gt=since) | has_id if since else has_id, status=Status.PENDING)
    return rows.filter(pk__in=arrived.values("pk"))


def facet(rows: QuerySet[Waiting], name: str) -> tuple[list[tuple[str, int]], bool]:
    """Return up to 50 values of a facet with their counts, the most frequent first, and whether there are more."""
    column = FACETS[name]
    if name == "cwe":
        rows = rows.annotate(value=Func(F(column), function="unnest"))
    else:
        rows = rows.annotate(value=F(column)).exclude(value="")
    grouped = rows.order_by().values("value").annotate(found=Count("*")).order_by("-found", "value")
    values = list(grouped.values_list("value", "found")[: FACET_LIMIT + 1])
    return values[:FACET_LIMIT], len(values) > FACET_LIMIT


def counted(rows: QuerySet[Any]) -> int:
    """Return how many rows there are, up to `COUNT_LIMIT` + 1."""
    return rows.order_by()[: COUNT_LIMIT + 1].count()


COUNT_ALL_SQL = "select count(*) from (select from approvals_waiting limit %s) few"


def count_all() -> int:
    """Return what `counted` does of the whole queue, which machines ask for most."""
    [(found,)] = query_prepared(COUNT_ALL_SQL, [COUNT_LIMIT + 1])
    return int(found)


def counts_by_priority(filters: Filters, now: datetime, person: Reviewer | None = None) -> dict[str, int]:
    """Return the count of each priority tab and of 'all' under the other filters, each exact up to `COUNT_LIMIT`; one
    query, two where a search finds more than `READ_LIMIT` rows."""
    bare = queue_rows(without(filters, "priority"), now, person).order_by().values_list("priority", flat=True)
    counts = None
    if any(getattr(filters, name) for name in SEARCH_FILTERS):  # find the rows once, not once for each priority
        counts = grouped(bare[: READ_LIMIT + 1], "priority")
    if counts is None or counts.total() > READ_LIMIT:
        few = [bare.filter(priority=priority)[: COUNT_LIMIT + 1] for priority in Priority]
        counts = grouped(few[0].union(*few[1:], all=True), "priority")
    return {"all": counts.total()} | {priority.name.lower(): counts[priority] for priority in Priority}


def grouped(rows: QuerySet[Any], column: str) -> Counter[Any]:
    """Count the rows by a column in the database: the ORM cannot group a slice, and counting them in Python is slow."""
    try:
        sql, parameters = rows.query.sql_with_params()
    except EmptyResultSet:  # the filters match nothing, so there is no statement
        return Counter()
    return Counter(dict(query(f"select {column}, count(*) from ({sql}) few group by {column}", parameters)))  # noqa: S608  the ORM's own


def sla_state(decision: Decision, now: datetime) -> str:
    """Return ok, warning, breached or none."""
    if decision.sla_due_at == NO_DEADLINE:
        return "none"
    if now >= decision.sla_due_at:
        return "breached"
    return "warning" if now >= decision.sla_warn_at else "ok"


@dataclass(frozen=True, slots=True)
class Around:
    """The neighbours of a decision in a list (our ids), its place, counted from 1, and the length of the list, up to
    `COUNT_LIMIT` + 1 (both None beyond the first thousand, or if it is not in the list)."""

    before: UUID | None
    after: UUID | None
    place: int | None
    total: int | None


def around(decision: Decision, filters: Filters, order: str, person: Reviewer, now: datetime) -> Around:
    """Return where a decision stands in a list; two queries, up to four where it is not among the first thousand."""
    rows, columns = queue_rows(filters, now, person), ORDERS[order]
    ordered = rows.order_by(*columns).values_list("pk", flat=True)[: COUNT_LIMIT + 1]
    first = list(ordered) if decision.status == Status.PENDING else []
    place, total = None, None
    if decision.pk in first[:COUNT_LIMIT]:
        place, total = first.index(decision.pk) + 1, len(first)
        near = [first[place - 2] if place > 1 else None, first[place] if place < len(first) else None]
    else:
        others = rows.exclude(pk=decision.pk)
        sides = (beside(others, columns, decision, before=back) for back in (True, False))
        near = [side.values_list("pk", flat=True).first() for side in sides]
    shown = Decision.objects.filter(pk__in=[pk for pk in near if pk])
    ids: dict[int | None, UUID] = dict(shown.values_list("pk", "decision_id"))
    before, after = (ids.get(pk) for pk in near)
    return Around(before, after, place, total)


def deciders_of(decision: Decision, now: datetime) -> QuerySet[User]:
    """Return the active people whose approval helps, members of required groups first (`rank` 0): their groups let them
    review, they are not named on the patch and stand in for nobody who is, a gate that names approvers names them and,
    if only an approval from a group is missing, they are in it. Somebody may be in it twice."""
    live = list(decision.reviews.filter(withdrawn_at=None))
    people = User.objects.filter(
        is_active=True, held_since=None, groups__permissions__codename="review_decision"
    ).exclude(pk__in={review.reviewer_id for review in live} | {review.delegated_from_id for review in live} - {None})
    deciders = decision.policy_version.decider_groups
    approved_by = approvers(
        (review.reviewer_id for review in live if review.verdict == Verdict.APPROVE), deciders=deciders
    )
    running = Delegation.objects.filter(starts_at__lte=now, ends_at__gt=now, ended_at=None)
    if deciders:
        people = people.filter(pk__in=User.objects.filter(groups__name__in=deciders))
    if only := must_come_from(approved_by, decision.required_approvals, decision.required_groups):
        people = people.filter(pk__in=User.objects.filter(groups__name__in=only))
    if decision.patch.is_gate and (allowed := decision.patch.gate.allowed_approvers):
        people = people.filter(pk__in=ids_by_name(allowed).values())
    if people_of_patch := [account.id for account in accounts_named(getattr(decision.patch, role) for role in ROLES)]:
        people = people.exclude(pk__in=people_of_patch).exclude(
            pk__in=running.filter(person__in=people_of_patch).values("delegate")
        )
    rank = CaseWhen(When(groups__name__in=decision.required_groups, then=Value(0)), default=Value(1))
    return people.annotate(rank=rank).order_by("rank", "username")


def who_can(decision: Decision, now: datetime) -> Sequence[User]:
    """Return the first five of `deciders_of`."""
    return [*dict.fromkeys(deciders_of(decision, now)[:20])][:5]
