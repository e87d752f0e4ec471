"""Entries about changes of accounts, groups and second factors, and what they may say: digests, no names."""

import hashlib
from collections.abc import Iterable
from datetime import datetime
from typing import Any

from allauth.account.models import EmailAddress
from allauth.mfa.models import Authenticator
from allauth.socialaccount.models import SocialAccount
from django.contrib.auth.models import Group
from django.utils.crypto import salted_hmac

from approvals.models import User
from audit.log import Actor, Subject, record


def record_user_change(
    user: User, old: dict[str, Any] | None, *, actor: Actor, now: datetime, fields: Iterable[str] = ()
) -> None:
    """Record that an account changed; call in the transaction that saved it, with its `user_facts` from before.

    `fields` names the fields that changed, so that the log shows that a name is new without containing it.
    """
    record(
        "user.changed",
        actor=actor,
        at=now,
        subject=Subject("user", f"user:{user.pk}", user.username),
        data={"old": old, "new": user_facts(user), "fields": sorted(fields)},
    )


def record_group_change(group: Group, old: dict[str, Any] | None, *, actor: Actor, now: datetime) -> None:
    """Record that a group's permissions changed; call in the transaction that saved it."""
    record(
        "group.changed",
        actor=actor,
        at=now,
        subject=Subject("group", str(group.pk), group.name),
        data={"old": old, "new": group_facts(group)},
    )


def user_facts(user: User) -> dict[str, Any]:
    """Return what an entry may say of an account: digests replace names, addresses, passwords, subjects, factors."""
    verified = EmailAddress.objects.filter(user=user, verified=True).order_by("pk").values_list("email", flat=True)
    subjects = SocialAccount.objects.filter(user=user).order_by("pk").values_list("provider", "uid")
    return {
        "active": user.is_active,
        "staff": user.is_staff,
        "superuser": user.is_superuser,
        "groups": sorted(user.groups.values_list("name", flat=True)),
        "password": hashlib.sha256(user.password.encode()).hexdigest()[:8],
        "email": _digest("email", user.email.casefold()),
        "verified": [_digest("email", address.casefold()) for address in verified],
        "username": _digest("username", user.username),
        "name": _digest("name", user.get_full_name()),
        "subjects": [_digest("subject", f"{provider} {uid}") for provider, uid in subjects],
        "factors": factor_facts(user),
    }


def factor_facts(user: User) -> list[str]:
    """Return a digest of each of a person's second factors, which shows whether it is still the same one."""
    rows = Authenticator.objects.filter(user=user).order_by("pk").values_list("pk", "type", "created_at")
    return [_digest("factor", f"{pk} {type} {at.isoformat()}") for pk, type, at in rows]


def _digest(purpose: str, value: str) -> str:
    """Return a keyed digest (HMAC, RFC 2104), so that a guessed address cannot be checked against the log."""
    return salted_hmac(f"approvals.entry.{purpose}", value, algorithm="sha256").hexdigest()[:16]


def group_facts(group: Group) -> dict[str, Any]:
    names = group.permissions.values_list("content_type__app_label", "codename")
    return {"name": group.name, "permissions": sorted(f"{app}.{codename}" for app, codename in names)}


def record_second_factor(user: User, change: str, old: list[str], *, actor: Actor, now: datetime) -> None:
    """Record a change of a person's second factors; call in the transaction that made it, with their `factor_facts`
    from before."""
    subject = Subject("user", f"user:{user.pk}", user.username)
    record(
        "factor.changed",
        actor=actor,
        at=now,
        subject=subject,
        data={"change": change, "old": old, "new": factor_facts(user)},
    )
