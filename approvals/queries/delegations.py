"""Delegations: who reviews in whose name, and reviewers together with the people they stand in for."""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

from django.db.models import Q, QuerySet

from approvals.models import Delegation, User
from approvals.policy.rules import Absent, Reviewer
from postgresql.statements import query_prepared

from .people import Membership, memberships, reviewer_shown, reviewers

# Plain SQL for the reason given at `people.MEMBERSHIPS_SQL`: every page of a reviewer runs this, and mostly finds
# nothing.
NAMES_AND_ABSENT_SQL = """
select approvals_names(%(user)s), (
    select json_agg(json_build_array(id, email, username, name, other_names, held) order by username)
    from approvals_absent
    where delegate_id = %(user)s and starts_at <= %(now)s and ends_at > %(now)s
)
"""
PAST = 10


def reviewer_with_delegations(user: User, now: datetime) -> Reviewer:
    """Return what pages need to know of a user, with the people in whose name they may review now; one query, a second
    if there are some."""
    [(other_names, rows)] = query_prepared(NAMES_AND_ABSENT_SQL, {"user": user.pk, "now": now})
    groups_of_absent = memberships([row[0] for row in rows]) if rows else []
    reviewer = reviewer_shown(user, standing_in(rows or (), groups_of_absent))
    return replace(reviewer, former=frozenset(other_names))


def standing_in(rows: Iterable[Sequence[Any]], groups_of_absent: Sequence[Membership]) -> tuple[Absent, ...]:
    """Return the absent people from rows of `approvals_absent`, with their groups from these memberships."""
    return tuple(
        Absent(
            key,
            email,
            username,
            name,
            groups=frozenset(group for member, group, _ in groups_of_absent if member == key),
            permissions=frozenset(granted for member, _, granted in groups_of_absent if member == key and granted),
            former=frozenset(other_names),
            held=held,
        )
        for key, email, username, name, other_names, held in rows
    )


def given_by(user: User, now: datetime) -> list[Delegation]:
    """Return the delegations a person gave: present and future ones, then the latest that are over."""
    rows = Delegation.objects.filter(person=user).select_related("delegate", "reason")
    live = Q(ended_at=None, ends_at__gt=now)
    return [*rows.filter(live).order_by("starts_at"), *rows.exclude(live).order_by("-ends_at")[:PAST]]


def away_until(people: Iterable[int], now: datetime) -> dict[int, datetime]:
    """Return those of these people who asked somebody to stand in for them now, with until when; one query."""
    running = Delegation.objects.filter(person__in=list(people), starts_at__lte=now, ends_at__gt=now, ended_at=None)
    return dict(running.values_list("person", "ends_at"))


def asked_of(user: User, now: datetime) -> list[Delegation]:
    """Return the present and future delegations to a person."""
    rows = Delegation.objects.filter(delegate=user, ended_at=None, ends_at__gt=now)
    return list(rows.select_related("person", "reason").order_by("starts_at"))


def may_stand_in(user: User) -> QuerySet[User]:
    """Return the active reviewers other than this person."""
    return reviewers().exclude(pk=user.pk).order_by("first_name", "username")
