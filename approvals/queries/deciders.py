"""Which groups add deciders: what their members may, and which policies and waiting decisions ask for them."""

from collections.abc import Iterable
from typing import Any

from django.contrib.auth.models import Group, Permission
from django.db.models import Q, QuerySet

from approvals.models import Decision, PolicyVersion, Status, User
from approvals.policy.deciders import Rights, Team
from approvals.policy.terms import named_in


def rights_of(user: User) -> Rights:
    """Return what an account has now."""
    groups = frozenset(user.groups.values_list("name", flat=True))
    return Rights(user.is_active, user.is_staff, user.is_superuser, groups)


def permissions_of(group: Group) -> frozenset[str]:
    """Return what the members of a group may now, as app and codename."""
    return spelled(group.permissions.all())


def spelled(permissions: QuerySet[Permission]) -> frozenset[str]:
    names = permissions.values_list("content_type__app_label", "codename")
    return frozenset(f"{app}.{codename}" for app, codename in names)


def permission_rows(names: Iterable[str]) -> list[Permission]:
    """Return the permissions of these names; one that is gone is left out."""
    wanted = Q(pk=None)
    for name in names:
        app, codename = name.split(".")
        wanted |= Q(content_type__app_label=app, codename=codename)
    return list(Permission.objects.filter(wanted))


def teams(names: Iterable[str]) -> dict[str, Team]:
    """Return what counts of each of these groups; one that is not there carries nothing but who asks for it."""
    wanted = sorted(set(names))
    there = {group.name: group for group in Group.objects.filter(name__in=wanted)}
    asking = _versions_in_force() if wanted else []
    return {
        name: Team(permissions_of(there[name]) if name in there else frozenset(), _asked_by(name, asking))
        for name in wanted
    }


def is_asked_for(name: str) -> bool:
    """Return whether a policy or a waiting decision names this group."""
    return bool(_asked_by(name, _versions_in_force()))


def _versions_in_force() -> list[dict[str, Any]]:
    """Return the groups of every policy's version, and of older ones that something waits under."""
    waits = Decision.objects.filter(status=Status.PENDING).values("policy_version")
    rows = PolicyVersion.objects.filter(Q(current_of__isnull=False) | Q(pk__in=waits)).order_by("policy__position")
    return [dict(row) for row in rows.values("policy__name", "required_groups", "decider_groups", "escalation")]


def _asked_by(name: str, versions: list[dict[str, Any]]) -> tuple[str, ...]:
    policies = [
        f"the policy {version['policy__name']}"
        for version in versions
        if name in {*version["required_groups"], *version["decider_groups"], *named_in(version["escalation"], "groups")}
    ]
    waiting = Decision.objects.filter(Q(required_groups__contains=[name]) | Q(asked__contains=[name]))
    own = ["a waiting decision"] if not policies and waiting.filter(status=Status.PENDING).exists() else []
    return tuple(dict.fromkeys([*policies, *own]))
