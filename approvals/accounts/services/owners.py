"""Held accounts: one whose sign-in an administrator changed decides nothing until its owner has confirmed the change
and a second person agrees. The only writer of these columns."""

from datetime import datetime
from typing import Any

from django.db import transaction

from approvals.errors import Conflict, NotAllowed
from approvals.models import User
from approvals.policy.rules import FRESH
from approvals.queries.people import held
from audit.log import Actor, Subject, record

LINK = "one-time link"
"""What an account is held for that got one."""
NO_HOLD: dict[str, Any] = {"held_since": None, "held_for": [], "owner_confirmed_at": None, "lead_agreed_at": None}
HOLD = list(NO_HOLD)
"""The columns that say whether an account is held."""


def demand_own(user: User) -> None:
    """Raise NotAllowed if an account is held; one query."""
    if sentence := held(User.objects.only("held_since", "held_for", "owner_confirmed_at").get(pk=user.pk)):
        raise NotAllowed(sentence)


def hold(user: User, changes: list[str], *, needs_lead: bool, actor: Actor, now: datetime) -> None:
    """Hold an account from now on, whatever was confirmed and agreed before; the caller has locked its row.

    Call in the transaction that makes the changes. Without `needs_lead` the owner's confirmation is enough.
    """
    user.held_since, user.held_for = now, sorted({*user.held_for, *changes})
    user.owner_confirmed_at, user.lead_agreed_at = None, None if needs_lead else now
    user.save(update_fields=HOLD)
    _record("account.held", user, actor, now, {"changes": user.held_for})


@transaction.atomic
def confirm(user: User, *, authenticated_at: datetime | None, actor: Actor, now: datetime) -> User:
    """Save the owner's confirmation of what an administrator changed, given after a sign-in since the change.

    Raise NotAllowed (no fresh sign-in since) or Conflict (nothing to confirm).
    """
    account = User.objects.select_for_update().get(pk=user.pk)
    if account.held_since is None or account.owner_confirmed_at is not None:
        raise Conflict("Nothing of your account waits for you. Nothing was changed.")
    if authenticated_at is None or not max(account.held_since, now - FRESH) <= authenticated_at <= now:
        raise NotAllowed("Sign in again first: what you confirm is confirmed at a fresh sign-in.")
    account.owner_confirmed_at = now
    account.save(update_fields=["owner_confirmed_at"])
    _record("account.confirmed", account, actor, now, {"changes": account.held_for})
    if account.lead_agreed_at is not None:
        _release(account, actor, now)
    return account


def agreed(user: User, *, actor: Actor, now: datetime) -> None:
    """Release an account that its owner has confirmed, because a second person agreed; the caller has locked its row.
    Raise Conflict."""
    if user.owner_confirmed_at is None:
        raise Conflict(f"{user} has not confirmed it yet. Nothing was changed.")
    user.lead_agreed_at = now
    user.save(update_fields=["lead_agreed_at"])
    _release(user, actor, now)


def unconfirm(user: User) -> None:
    """Remove the owner's confirmation from a held account, whose sign-in has changed since; its row is locked."""
    if user.held_since is not None and user.owner_confirmed_at is not None:
        user.owner_confirmed_at = None
        user.save(update_fields=["owner_confirmed_at"])


def _release(user: User, actor: Actor, now: datetime) -> None:
    changes = user.held_for
    for name, value in NO_HOLD.items():
        setattr(user, name, value)
    user.save(update_fields=HOLD)
    _record("account.released", user, actor, now, {"changes": changes})


def _record(type: str, user: User, actor: Actor, now: datetime, data: dict[str, object]) -> None:
    subject = Subject("user", f"user:{user.pk}", user.username)
    record(type, actor=actor, at=now, subject=subject, data=data)
