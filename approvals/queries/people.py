"""People as the rules see them: their groups and permissions at this moment."""

from collections.abc import Iterable

from django.db import connection
from django.db.models import Q, QuerySet, Value
from django.db.models.functions import Concat

from approvals.models import User
from approvals.policy.quorum import Approver
from approvals.policy.rules import Person

# Plain SQL here: every verdict and every request of a person asks this, and composing the ORM's query cost ten times
# what the database needed.
MEMBERSHIPS = """
select member.user_id, team.name, type.app_label || '.' || permission.codename
from approvals_user_groups member
join approvals_user person on person.id = member.user_id
join auth_group team on team.id = member.group_id
left join auth_group_permissions granted on granted.group_id = team.id
left join auth_permission permission on permission.id = granted.permission_id
left join django_content_type type on type.id = permission.content_type_id
where person.is_active and member.user_id = any(%s)
"""


def person(user: User, authn: str = "session") -> Person:
    """Return what the rules need to know of a user. Being a superuser makes nobody a reviewer: only groups count."""
    memberships = _memberships([user.pk])
    return Person(
        id=user.pk,
        email=user.email,
        username=user.username,
        groups=frozenset(group for _, group, _ in memberships),
        permissions=frozenset(permission for _, _, permission in memberships if permission),
        authn=authn,
    )


def approvers(user_ids: Iterable[int]) -> list[Approver]:
    """Return those of these people who may still review, with their present groups; one query.

    Somebody who left the reviewers or was switched off since they approved counts no longer.
    """
    memberships = _memberships(list(user_ids))
    may = {user_id for user_id, _, permission in memberships if permission == "approvals.review_decision"}
    return [
        Approver(user_id, frozenset(group for member, group, _ in memberships if member == user_id))
        for user_id in sorted(may)
    ]


def named(text: str) -> QuerySet[User]:
    """Return the people a filter means: by user name or e-mail address, or by a part of their full name."""
    full_name = Concat("first_name", Value(" "), "last_name")
    wanted = Q(username__iexact=text) | Q(email__iexact=text) | Q(full_name__icontains=text)
    return User.objects.annotate(full_name=full_name).filter(wanted)


def offered() -> list[tuple[str, str]]:
    """Return up to 100 people who review, name and e-mail address, to choose from while one types."""
    people = User.objects.filter(groups__permissions__codename="review_decision").order_by("first_name", "username")
    return [(str(user), user.email or user.username) for user in people.distinct()[:100]]


def _memberships(user_ids: list[int]) -> list[tuple[int, str, str | None]]:
    """Return (user, group, permission) of each active person; the permission is None in a group without any."""
    with connection.cursor() as cursor:
        cursor.execute(MEMBERSHIPS, [user_ids])
        rows: list[tuple[int, str, str | None]] = cursor.fetchall()
    return rows
