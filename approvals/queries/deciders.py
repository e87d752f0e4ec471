"""Which groups add deciders: what their members may, and which policies and pending decisions ask for them.

What `policy/deciders.py` is told, for changes of people and groups; who may decide a patch is read by `people.py`.
"""

from collections.abc import Iterable
from typing import Any

from django.contrib.auth.models import Group, Permission
from django.db.models import Prefetch, Q, QuerySet

from approvals.models import Decision, PolicyVersion, Proposal, Status, User
from approvals.permissions import CHANGE_POLICY, LEAD_DECISION
from approvals.policy.agreeing import Second
from approvals.policy.deciders import Rights, Team
from approvals.policy.terms import named_in

from .people import accounts_of, held, reviewer_from_db


def rights_of(user: User) -> Rights:
    """Return the present rights of an account."""
    groups = frozenset(group.name for group in user.groups.all())
    return Rights(user.is_active, user.is_staff, user.is_superuser, groups)


def permissions_of(group: Group) -> frozenset[str]:
    """Return what the members of a group may now, as app and codename."""
    return spelled(group.permissions.select_related("content_type"))


def spelled(permissions: Iterable[Permission]) -> frozenset[str]:
    """Return permissions read with their content types, as app and codename."""
    return frozenset(f"{permission.content_type.app_label}.{permission.codename}" for permission in permissions)


def open_proposals() -> QuerySet[Proposal]:
    """Return the open proposals with all that their page shows; the number of queries is fixed."""
    granted = Prefetch("group__permissions", Permission.objects.select_related("content_type"))
    rows = Proposal.objects.filter(state=Proposal.State.OPEN).order_by("id")
    with_targets = rows.select_related("policy__current", "person", "group", "producer", "proposed_by", "reason")
    return with_targets.prefetch_related("person__groups", "group__user_set", granted)


def accounts_held() -> QuerySet[Proposal]:
    """Return the open proposals to release a held account, to which a lead must agree."""
    return Proposal.objects.filter(state=Proposal.State.OPEN, kind=Proposal.Kind.ACCOUNT)


def permission_rows(names: Iterable[str]) -> list[Permission]:
    """Return the permissions with these names; one that no longer exists is left out."""
    condition = Q(pk=None)
    for name in names:
        app, codename = name.split(".")
        condition |= Q(content_type__app_label=app, codename=codename)
    return list(Permission.objects.filter(condition))


def teams(names: Iterable[str]) -> dict[str, Team]:
    """Return, by name, each group's permissions and what asks for it; a group that does not exist has none.

    What open proposals would give or ask counts too: whoever agrees to one does not see who joins the group meanwhile.
    """
    wanted = sorted(set(names))
    if not wanted:
        return {}
    may: dict[str, frozenset[str]] = dict.fromkeys(wanted, frozenset())
    may |= {group.name: permissions_of(group) for group in Group.objects.filter(name__in=wanted)}
    open_changes = Proposal.objects.filter(state=Proposal.State.OPEN, group__name__in=wanted)
    for name, change in open_changes.values_list("group__name", "payload"):
        may[name] |= frozenset(change["permissions"])
    versions = _versions_in_force()
    return {name: Team(may[name], *_asking(name, versions)) for name in wanted}


def lock_groups(names: Iterable[str]) -> None:
    """Lock these groups until the transaction ends, so that nobody agrees to more rights of one while somebody joins
    it."""
    list(Group.objects.select_for_update(no_key=True).filter(name__in=names).order_by("pk"))


def is_asked_for(name: str) -> bool:
    """Return whether a policy or a pending decision names this group."""
    policies, decision = _asking(name, _versions_in_force())
    return bool(policies) or decision


def _versions_in_force() -> list[dict[str, Any]]:
    """Return the groups that every current policy version names, older versions with pending decisions, and the terms
    that wait for a second person."""
    pending = Decision.objects.filter(status=Status.PENDING).values("policy_version")
    rows = PolicyVersion.objects.filter(Q(current_of__isnull=False) | Q(pk__in=pending)).order_by("policy__position")
    proposed = Proposal.objects.filter(state=Proposal.State.OPEN, kind=Proposal.Kind.POLICY).order_by("pk")
    return [
        *(dict(row) for row in rows.values("policy__name", "required_groups", "decider_groups", "escalation")),
        *({"policy__name": name, **terms} for name, terms in proposed.values_list("policy__name", "payload__terms")),
    ]


def _asking(name: str, versions: list[dict[str, Any]]) -> tuple[tuple[str, ...], bool]:
    """Return the policies that name a group, and whether a pending decision does; that is asked only without any."""
    policies = [
        version["policy__name"]
        for version in versions
        if name in {*version["required_groups"], *version["decider_groups"], *named_in(version["escalation"], "groups")}
    ]
    asking = Decision.objects.filter(Q(required_groups__contains=[name]) | Q(asked__contains=[name]))
    return tuple(dict.fromkeys(policies)), not policies and asking.filter(status=Status.PENDING).exists()


def second(user: User) -> Second:
    """Return what decides whether a person may agree to proposals; the number of queries is fixed."""
    accounts = accounts_of(user)
    groups = frozenset(Group.objects.filter(user__in=accounts).values_list("pk", flat=True))
    return Second(
        is_lead(user),
        user.is_active and user.is_superuser,
        user.has_perm(CHANGE_POLICY),
        accounts,
        groups,
        held(User.objects.get(pk=user.pk)),
        leads().exists(),
    )


def leads() -> QuerySet[User]:
    """Return the security leads whose accounts decide, in no order."""
    return User.objects.filter(
        is_active=True, held_since=None, groups__permissions__codename="lead_decision"
    ).distinct()


def is_lead(user: User) -> bool:
    """Return whether somebody is a security lead by their groups; being a superuser is not enough."""
    return LEAD_DECISION in reviewer_from_db(user).permissions
