"""Who is told: few people first, in turn, and whoever stands in for those who are away."""

import re
from collections.abc import Collection, Iterable, Mapping
from datetime import datetime

from django.db.models import F, OuterRef, Q, QuerySet, Subquery

from approvals.models import Decision, Delegation, Priority, User, Verdict
from approvals.policy.rules import ROLES
from approvals.queries.deciders import leads
from approvals.queries.people import accounts_named, ids_by_name
from approvals.queries.queue import deciders_of
from notifications.models import Item
from notifications.services.notices import ASKING

Audience = dict[int, str]
"""People by their keys, with why each of them is told, in the second person."""

SPARE = 20  # people that are read beyond those needed: some are away, some in two groups
OF_A_GROUP = 5  # told of what concerns a whole group
NAMED_BY_GATE = 20  # names that one gate may have told
PSEUDONYM = re.compile(r"user:\d{1,10}\Z")
LEAD = "you are a security lead"
LAST_TOLD = Subquery(Item.objects.filter(person=OuterRef("pk")).order_by("-id").values("id")[:1])
TOLD_LONGEST_AGO = F("told").asc(nulls_first=True), "pk"


def next_in_turn(decision: Decision, count: int, now: datetime, *, asked: Iterable[int] = ()) -> Audience:
    """Return up to `count` people who can decide and were not asked, those first who were told of anything longest ago.
    In place of somebody who is away it is who stands in for them; for critical only who can decide themself."""
    already = set(asked)
    people = deciders_of(decision, now).annotate(told=LAST_TOLD)
    in_turn = people.order_by("rank", *TOLD_LONGEST_AGO)  # type: ignore[misc]  # `rank` is annotated there
    pool: dict[int, tuple[int, int]] = {}
    for pk, rank, told in in_turn.values_list("pk", "rank", "told")[: count + len(already) + SPARE]:
        pool.setdefault(pk, (rank, told or 0))  # the best rank comes first
    reasons = dict.fromkeys(pool, "you are one of those who can decide it")
    reasons |= {
        pk: f"it needs somebody of {' or '.join(decision.required_groups)}"
        for pk, (rank, _) in pool.items()
        if rank == 0
    }
    for delegation in _running(now).filter(person__in=list(pool)):
        order = pool.pop(delegation.person_id, (1, 0))
        if delegation.delegate_id in pool or decision.priority != Priority.CRITICAL:
            pool.setdefault(delegation.delegate_id, order)
            reasons[delegation.delegate_id] = f"you stand in for {delegation.person}"
    for person in already:
        pool.pop(person, None)
    chosen = sorted(pool, key=lambda pk: (*pool[pk], pk))[:count]
    return {pk: reasons[pk] for pk in chosen}


def asked_before(subject: str) -> set[int]:
    """Return whom notices asked to act on this."""
    rows = Item.objects.filter(notice__subject=subject, notice__kind__in=ASKING)
    return set(rows.values_list("person", flat=True))


def still_able(decision: Decision, people: Iterable[int], now: datetime) -> set[int]:
    """Return those of these people whose approval still helps."""
    return set(deciders_of(decision, now).filter(pk__in=list(people)).values_list("pk", flat=True))


def of_level(asked: Collection[str]) -> Audience:
    """Return whom a level of escalation asks, from the names of its groups and the pseudonyms of its people: all of
    these, and of each group those told longest ago."""
    people = User.objects.filter(is_active=True, pk__in=[int(name[5:]) for name in asked if PSEUDONYM.match(name)])
    return _members(asked, "it was raised to {}") | {user.pk: "it was raised to you" for user in people}


def named_by_gate(decision: Decision) -> Audience:
    """Return whom a workflow asks to be told of its gate: people by name, and some of each group."""
    if not decision.patch.is_gate:
        return {}
    asked = decision.patch.gate.request
    people = ids_by_name({name.casefold() for name in asked["notify_users"][:NAMED_BY_GATE]}).values()
    why = "the workflow asks that you are told"
    return _members(asked["notify_roles"][:NAMED_BY_GATE], why + " as one of {}") | dict.fromkeys(people, why)


def _members(groups: Iterable[str], why: str) -> Audience:
    found: Audience = {}
    for group in groups:
        members = User.objects.filter(is_active=True, held_since=None, groups__name=group)
        ordered = members.annotate(told=LAST_TOLD).order_by(*TOLD_LONGEST_AGO)
        found |= {user.pk: why.format(group) for user in ordered[:OF_A_GROUP]}
    return found


def some_leads(but: Iterable[int] = ()) -> Audience:
    """Return the leads told longest ago, five at most, without these people."""
    rows = leads().exclude(pk__in=list(but)).annotate(told=LAST_TOLD).order_by(*TOLD_LONGEST_AGO)
    return {user.pk: LEAD for user in rows[:OF_A_GROUP]}


def people_of_patch(decision: Decision) -> Audience:
    """Return the accounts of the people whom the patch names: its own people, who wait for the outcome."""
    values = [getattr(decision.patch, role) for role in ROLES]
    return {account.id: "it is a patch of yours" for account in accounts_named(values) if account.known}


def reviewers_of(decision: Decision, verdict: Verdict | None = None) -> Audience:
    """Return who reviewed a decision, with this verdict where one is given, and did not withdraw that."""
    rows = decision.reviews.filter(withdrawn_at=None)
    if verdict:
        rows = rows.filter(verdict=verdict)
    return dict.fromkeys(rows.values_list("reviewer", flat=True), "you reviewed it")


def without(people: Mapping[int, str], but: Iterable[int]) -> Audience:
    """Return these people but those."""
    left_out = set(but)
    return {pk: why for pk, why in people.items() if pk not in left_out}


def _running(now: datetime) -> QuerySet[Delegation]:
    return Delegation.objects.filter(Q(starts_at__lte=now, ends_at__gt=now, ended_at=None)).select_related("person")
