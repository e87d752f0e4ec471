"""Rights of people and groups: which part of a change needs a second person, and granting it once one has agreed."""

import hashlib
from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import rfc8785
from django.conf import settings
from django.contrib.auth.models import Group

from approvals.errors import Conflict
from approvals.models import User
from approvals.policy.deciders import Rights, given_alone, granted_alone
from approvals.queries.deciders import permission_rows, permissions_of, rights_of, teams
from audit.log import Actor

from . import account_changes

FLAGS = {"active": "is_active", "staff": "is_staff", "superuser": "is_superuser"}
"""The rights of an account that are columns, by the names that entries have for them."""


@dataclass(frozen=True, slots=True)
class PendingChange:
    """The part of a change that needs a second person, as a proposal stores it (`{"groups": [...], "active": true}`),
    and why it does; empty if there is none."""

    change: dict[str, Any]
    why: list[str]


NO_PENDING_CHANGE = PendingChange({}, [])


def split_person(person: User, requested: Rights) -> tuple[Rights, PendingChange]:
    """Return which of the requested rights one person may grant alone, and the pending change.

    Nothing is pending in an install that needs no second person.
    """
    if not settings.SECOND_PERSON_REQUIRED:
        return requested, NO_PENDING_CHANGE
    old = rights_of(person)
    alone, why = given_alone(old, requested, teams(old.groups | requested.groups))
    change: dict[str, Any] = {name: True for name in FLAGS if getattr(requested, name) and not getattr(alone, name)}
    if joined := sorted(requested.groups - alone.groups):
        change["groups"] = joined
    return alone, PendingChange(change, why)


def split_group(group: Group, requested: Collection[str]) -> tuple[frozenset[str], PendingChange]:
    """Return which of the requested permissions one person may grant a group alone, and the pending change."""
    if not settings.SECOND_PERSON_REQUIRED:
        return frozenset(requested), NO_PENDING_CHANGE
    alone, why = granted_alone(permissions_of(group) if group.pk else (), requested)
    return alone, PendingChange({"permissions": sorted(set(requested) - alone)} if why else {}, why)


def person_now(person: User, change: dict[str, Any]) -> str:
    """Return a digest of a person's rights and of the permissions of the groups they would join.

    Raise Conflict if one of these groups is gone. Locks the groups until the transaction ends.
    """
    names = change.get("groups", [])
    joined = list(Group.objects.select_for_update(no_key=True).filter(name__in=names).order_by("pk"))
    if lost := sorted(set(names) - {group.name for group in joined}):
        raise Conflict(f"There is no group {', '.join(lost)} any more. Nothing was changed.")
    present = rights_of(person)
    facts = {name: getattr(present, name) for name in FLAGS} | {"groups": sorted(present.groups)}
    carried = {group.name: sorted(permissions_of(group)) for group in joined}
    return hashlib.sha256(rfc8785.dumps({**facts, "joins": carried})).hexdigest()


def group_now(group: Group) -> str:
    """Return a digest of a group's name and permissions."""
    facts = {"name": group.name, "permissions": sorted(permissions_of(group))}
    return hashlib.sha256(rfc8785.dumps(facts)).hexdigest()


def give_person(person: User, change: dict[str, Any], *, actor: Actor, now: datetime) -> None:
    """Grant a locked account the rights of a proposal, with old and new values in the log."""
    old = account_changes.user_facts(person)
    columns = [column for name, column in FLAGS.items() if change.get(name)]
    for column in columns:
        setattr(person, column, True)
    if columns:
        person.save(update_fields=columns)
    joined = Group.objects.filter(name__in=change.get("groups", []))
    person.groups.add(*joined)
    fields = [*columns, *(["groups"] if joined else [])]
    account_changes.record_user_change(person, old, actor=actor, now=now, fields=fields)


def give_group(group: Group, change: dict[str, Any], *, actor: Actor, now: datetime) -> None:
    """Grant a locked group the permissions of a proposal, with old and new values in the log. Raise Conflict if one of
    them is gone."""
    old = account_changes.group_facts(group)
    rows = permission_rows(change["permissions"])
    if len(rows) < len(change["permissions"]):
        raise Conflict("One of these permissions is gone. Nothing was changed.")
    group.permissions.add(*rows)
    account_changes.record_group_change(group, old, actor=actor, now=now)
