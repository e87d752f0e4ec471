"""Rights of people and groups: what of a change waits for a second person, and giving it once one has agreed."""

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

from . import access

FLAGS = {"active": "is_active", "staff": "is_staff", "superuser": "is_superuser"}
"""The rights of an account that are columns, by the names that entries have for them."""


@dataclass(frozen=True, slots=True)
class Waits:
    """What of a change waits, as a proposal keeps it (`{"groups": [...], "active": true}`), and why; empty for none."""

    change: dict[str, Any]
    why: list[str]


NOTHING = Waits({}, [])


def split_person(person: User, asked: Rights) -> tuple[Rights, Waits]:
    """Return which of these rights one person may give alone, and what waits.

    Nothing waits in an install that does without a second person.
    """
    if not settings.SECOND_PERSON_REQUIRED:
        return asked, NOTHING
    old = rights_of(person)
    alone, why = given_alone(old, asked, teams(old.groups | asked.groups))
    change: dict[str, Any] = {name: True for name in FLAGS if getattr(asked, name) and not getattr(alone, name)}
    if joined := sorted(asked.groups - alone.groups):
        change["groups"] = joined
    return alone, Waits(change, why)


def split_group(group: Group, asked: Collection[str]) -> tuple[frozenset[str], Waits]:
    """Return which of these permissions one person may grant to a group alone, and what waits, as for people."""
    if not settings.SECOND_PERSON_REQUIRED:
        return frozenset(asked), NOTHING
    alone, why = granted_alone(permissions_of(group) if group.pk else (), asked)
    return alone, Waits({"permissions": sorted(set(asked) - alone)} if why else {}, why)


def person_now(person: User, change: dict[str, Any]) -> str:
    """Return a digest of what a person may, and of what the groups they would join carry.

    Raise Conflict when one of these groups is gone. In a transaction, the groups stay as they are until its end.
    """
    names = change.get("groups", [])
    joined = list(Group.objects.select_for_update(no_key=True).filter(name__in=names).order_by("pk"))
    if lost := sorted(set(names) - {group.name for group in joined}):
        raise Conflict(f"There is no group {', '.join(lost)} any more. Nothing was changed.")
    mine = rights_of(person)
    facts = {name: getattr(mine, name) for name in FLAGS} | {"groups": sorted(mine.groups)}
    carried = {group.name: sorted(permissions_of(group)) for group in joined}
    return hashlib.sha256(rfc8785.dumps({**facts, "joins": carried})).hexdigest()


def group_now(group: Group) -> str:
    """Return a digest of what a group is called and what its members may."""
    facts = {"name": group.name, "permissions": sorted(permissions_of(group))}
    return hashlib.sha256(rfc8785.dumps(facts)).hexdigest()


def give_person(person: User, change: dict[str, Any], *, actor: Actor, now: datetime) -> None:
    """Give a locked account what was asked for it, with old and new in the log."""
    old = access.user_facts(person)
    columns = [column for name, column in FLAGS.items() if change.get(name)]
    for column in columns:
        setattr(person, column, True)
    if columns:
        person.save(update_fields=columns)
    joined = Group.objects.filter(name__in=change.get("groups", []))
    person.groups.add(*joined)
    fields = [*columns, *(["groups"] if joined else [])]
    access.record_user_change(person, old, actor=actor, now=now, fields=fields)


def give_group(group: Group, change: dict[str, Any], *, actor: Actor, now: datetime) -> None:
    """Grant a locked group what was asked for it, with old and new in the log. Raise Conflict for what is gone."""
    old = access.group_facts(group)
    rows = permission_rows(change["permissions"])
    if len(rows) < len(change["permissions"]):
        raise Conflict("One of these permissions is gone. Nothing was changed.")
    group.permissions.add(*rows)
    access.record_group_change(group, old, actor=actor, now=now)
