"""What an administrator does about the sign-in of somebody else: a one-time link, second factors removed, another
address. Each holds the account (`owners`), and none lets the administrator in: only the owner sets the password."""

from datetime import datetime
from typing import Any

from allauth.mfa.models import Authenticator
from django.contrib.auth.tokens import PasswordResetTokenGenerator
from django.db import transaction
from django.utils.http import base36_to_int, int_to_base36

from approvals.errors import Conflict, Invalid, NotAllowed
from approvals.models import User
from approvals.queries.people import comes_from_provider
from approvals.services import second_person
from audit.log import Actor

from . import account_changes, identity, owners

FACTORS, ADDRESS, NAME, NEW = "second factors", "e-mail address", "user name", "new account"
LINK_FORMAT = "hitl_{pk:0>8}_{secret}"
"""Has the form of an API token, so that logs leave it out (`hitl.logs`)."""


class Links(PasswordResetTokenGenerator):
    """Django's links, which end at a new password or a sign-in; here also when the account is held or switched off."""

    key_salt = "approvals.services.recovery.Links"  # as it was when links were sent that still hold

    def _make_hash_value(self, user: Any, timestamp: int) -> str:
        return f"{super()._make_hash_value(user, timestamp)}{user.held_since}{user.is_active}"


links = Links()


def send_link(person: User, *, reason: str, user: User, actor: Actor, now: datetime) -> str:
    """Hold an account, end its sessions and return the secret of a link by which its owner sets a password, once.

    It works for `PASSWORD_RESET_TIMEOUT` seconds, until it is used or the account is changed again. Raise NotAllowed
    (one's own account, one of the provider, a held administrator) or Conflict (switched off).
    """
    with transaction.atomic():
        account = _locked_other(person, user)
        if not account.is_active:
            raise Conflict("This account is switched off. Nothing was sent.")
        if comes_from_provider(account):
            raise NotAllowed("They sign in at the single sign-on provider, which has their password. Nothing was sent.")
        hold_and_sign_out(account, [owners.LINK], reason=reason, user=user, actor=actor, now=now)
    return LINK_FORMAT.format(pk=int_to_base36(account.pk), secret=links.make_token(account))


def person_of_link(secret: str) -> User | None:
    """Return the account whose password a link sets; None for a link that is wrong, used or too old."""
    parts = secret.split("_", 2)
    if len(parts) != 3 or parts[0] != "hitl":
        return None
    try:
        owner = User.objects.filter(pk=base36_to_int(parts[1]), is_active=True).first()
    except ValueError:
        return None
    return owner if owner and links.check_token(owner, parts[2]) else None


@transaction.atomic
def set_password(secret: str, password: str, *, actor: Actor, now: datetime) -> User:
    """Set the password of the account a link is for; end the link and every session. Raise Invalid if it ended."""
    owner = person_of_link(secret)
    account = User.objects.select_for_update().get(pk=owner.pk) if owner else None
    if account is None or person_of_link(secret) is None:
        raise Invalid("This link was used, replaced or is too old. Ask an administrator for another one.")
    old = account_changes.user_facts(account)
    account.set_password(password)
    account.save(update_fields=["password"])
    owners.unconfirm(account)
    account_changes.record_user_change(account, old, actor=actor, now=now, fields=["password"])
    identity.sign_out_everywhere(account, actor=actor, now=now)
    return account


@transaction.atomic
def remove_factors(person: User, *, user: User, actor: Actor, now: datetime) -> bool:
    """Remove all second factors of a person who lost them, hold the account, and return whether there were any.

    Raise NotAllowed.
    """
    account = _locked_other(person, user)
    old = account_changes.factor_facts(account)
    if not Authenticator.objects.filter(user=account).delete()[0]:
        return False
    account_changes.record_second_factor(account, "all removed by an administrator", old, actor=actor, now=now)
    hold_and_sign_out(account, [FACTORS], reason="Their second factors were lost.", user=user, actor=actor, now=now)
    return True


def hold_and_sign_out(
    person: User, changes: list[str], *, reason: str, user: User, actor: Actor, now: datetime
) -> None:
    """Hold an account whose sign-in `user` changed, end its sessions and what it was tied to while it was held before;
    its row is locked. Raise NotAllowed."""
    if person.held_since is not None:
        identity.untie(person, person.held_since, actor=actor, now=now)
    second_person.ask_for_account(person, changes, reason=reason, user=user, actor=actor, now=now)
    identity.sign_out_everywhere(person, actor=actor, now=now)


def _locked_other(person: User, user: User) -> User:
    """Return the person's account with its row locked; raise NotAllowed if it is the user's own."""
    if person.pk == user.pk:
        raise NotAllowed("Your own means of signing in are changed on your account page.")
    return User.objects.select_for_update().get(pk=person.pk)
