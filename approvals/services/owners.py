"""Whether an account decides: held when an administrator changes how its owner signs in, until the owner and a second
person agree. The only writer of that."""

from datetime import datetime
from typing import Any

from django.db import transaction

from approvals.errors import Conflict, NotAllowed
from approvals.models import User
from approvals.policy.rules import FRESH
from approvals.queries.people import held
from audit.log import Actor, Subject, record

NO_HOLD: dict[str, Any] = {"held_since": None, "held_for": [], "owner_confirmed_at": None, "lead_agreed_at": None}
HOLD = list(NO_HOLD)
"""The columns that say whether an account decides."""


def demand_own(user: User) -> None:
    """Raise NotAllowed where an account decides nothing at present; one query."""
    if sentence := held(User.objects.only("held_since", "held_for", "owner_confirmed_at").get(pk=user.pk)):
        raise NotAllowed(sentence)


def hold(user: User, changes: list[str], *, needs_lead: bool, actor: Actor, now: datetime) -> None:
    """Let a locked account decide nothing from now on, whatever was confirmed and agreed before.

    Call in the transaction that makes the changes. Without `needs_lead` its owner's word is enough.
    """
    user.held_since, user.held_for = now, sorted({*user.held_for, *changes})
    user.owner_confirmed_at, user.lead_agreed_at = None, None if needs_lead else now
    user.save(update_fields=HOLD)
    _record("account.held", user, actor, now, {"changes": user.held_for})


@transaction.atomic
def confirm(user: User, *, authenticated_at: datetime | None, actor: Actor, now: datetime) -> User:
    """Keep the owner's word that what an administrator changed is theirs, given at a sign-in since then.

    Raise NotAllowed (no fresh sign-in since) or Conflict (nothing waits for it).
    """
    kept = User.objects.select_for_update().get(pk=user.pk)
    if kept.held_since is None or kept.owner_confirmed_at is not None:
        raise Conflict("Nothing of your account waits for you. Nothing was changed.")
    if authenticated_at is None or not max(kept.held_since, now - FRESH) <= authenticated_at <= now:
        raise NotAllowed("Sign in again first: what you confirm is confirmed at a fresh sign-in.")
    kept.owner_confirmed_at = now
    kept.save(update_fields=["owner_confirmed_at"])
    _record("account.confirmed", kept, actor, now, {"changes": kept.held_for})
    if kept.lead_agreed_at is not None:
        _release(kept, actor, now)
    return kept


def agreed(user: User, *, actor: Actor, now: datetime) -> None:
    """Let a locked account that its owner has confirmed decide again: a second person agreed. Raise Conflict."""
    if user.owner_confirmed_at is None:
        raise Conflict(f"{user} has not confirmed it yet. Nothing was changed.")
    user.lead_agreed_at = now
    user.save(update_fields=["lead_agreed_at"])
    _release(user, actor, now)


def unconfirm(user: User) -> None:
    """Take the owner's word back from a locked account that is held: how they sign in has changed since."""
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
    about = Subject("user", f"user:{user.pk}", user.username)
    record(type, actor=actor, at=now, subject=about, data=data)
