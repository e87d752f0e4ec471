"""People from the single sign-on provider: their accounts, groups and addresses; sessions, passwords, factors."""

import hashlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime

from allauth.account.models import EmailAddress
from allauth.mfa.models import Authenticator
from allauth.socialaccount.models import SocialAccount
from allauth.usersessions.models import UserSession
from django.contrib.auth.models import Group
from django.db import transaction
from django.db.models import F

from approvals.errors import Conflict, NotAllowed
from approvals.models import User
from approvals.queries.people import owners_of, why_not_a_name
from audit.log import Actor
from postgresql.statements import lock_name

from .account_changes import factor_facts, record_second_factor, record_user_change, user_facts
from .owners import LINK, unconfirm
from .sign_ins import record_sign_out

FACTORS = {Authenticator.Type.TOTP: "authenticator app", Authenticator.Type.WEBAUTHN: "security key"}


@dataclass(frozen=True, slots=True)
class Claims:
    """What the provider says about one person. `email` is '' unless the provider has verified it."""

    provider: str
    subject: str
    email: str = ""
    username: str = ""
    first_name: str = ""
    last_name: str = ""
    groups: frozenset[str] = frozenset()


def arrive(claims: Claims, mapping: Mapping[str, str], *, actor: Actor, now: datetime) -> User:
    """Return the account of a person who signs in at the provider, with the groups the provider says they have now.

    The provider's subject identifies the account. At the first sign-in a verified address links the subject to the
    account that has it; a new person gets an account if one of their groups is in `mapping`, which maps a group of the
    provider to one of the product. Only mapped groups are added or removed. Raise NotAllowed.
    """
    with transaction.atomic():
        _lock_subject(claims)
        user = (
            _linked_account(claims, actor, now)
            or _link_by_address(claims, actor, now)
            or _create_account(claims, mapping, actor, now)
        )
        _set_groups(user, mapping, claims.groups, actor, now)
    return user


def seen(session_key: str | None, now: datetime) -> None:
    """Save when a session was last used; no audit entry, because it decides nothing."""
    UserSession.objects.filter(session_key=session_key).update(last_seen_at=now)


def sessions_of(user: User) -> list[UserSession]:
    """Return the sessions in which a person is signed in, the last used first; delete those that are over."""
    sessions: list[UserSession] = UserSession.objects.purge_and_list(user)
    return sorted(sessions, key=lambda session: session.last_seen_at, reverse=True)


@transaction.atomic
def end_session(user: User, pk: int, *, actor: Actor, now: datetime) -> bool:
    """End one session of a person and return whether there was one."""
    session = UserSession.objects.filter(user=user, pk=pk).first()
    if session is None:
        return False
    session.end()
    record_sign_out(user, "ended from the account page", actor=actor, now=now)
    return True


@transaction.atomic
def change_password(user: User, password: str, *, session_key: str | None, actor: Actor, now: datetime) -> None:
    """Set a new password for a person who just proved who they are, and end all their other sessions.

    Raise Conflict if the password was changed after they proved it.
    """
    locked_user = User.objects.select_for_update().get(pk=user.pk)
    if locked_user.password != user.password:
        raise Conflict("Your password was changed meanwhile. Nothing was changed now.")
    old = user_facts(locked_user)
    user.set_password(password)
    user.save(update_fields=["password"])
    UserSession.objects.filter(user=user).exclude(session_key=session_key).delete()
    record_user_change(user, old, actor=actor, now=now, fields=["password"])


def session_renamed(old_key: str | None, new_key: str | None) -> None:
    """Save the new key of a session; no audit entry, because it decides nothing."""
    UserSession.objects.filter(session_key=old_key).update(session_key=new_key)


@transaction.atomic
def sign_out_everywhere(user: User, *, actor: Actor, now: datetime) -> None:
    """End every session of a person, also those missing from the session list; their API tokens stay."""
    User.objects.filter(pk=user.pk).update(signed_out_everywhere=F("signed_out_everywhere") + 1)
    UserSession.objects.filter(user=user).delete()
    record_sign_out(user, "signed out everywhere", actor=actor, now=now)


@contextmanager
def changing_factors(user: User, *, actor: Actor, now: datetime) -> Iterator[list[str]]:
    """Record the changes that the block makes to a person's second factors, in the same transaction; afterwards the
    yielded list describes them.

    Recovery codes that come or go with another factor have no entry of their own.
    """
    with transaction.atomic():
        User.objects.select_for_update(no_key=True).get(pk=user.pk)  # or two tabs would record each other's change
        before, old = _factors(user), factor_facts(user)
        recorded: list[str] = []
        yield recorded
        after = _factors(user)
        added = [kind for pk, kind in after.items() if pk not in before]
        removed = [kind for pk, kind in before.items() if pk not in after]
        changes = [f"{FACTORS[kind]} added" for kind in added if kind in FACTORS]
        changes += [f"{FACTORS[kind]} removed" for kind in removed if kind in FACTORS]
        if not changes and Authenticator.Type.RECOVERY_CODES in added:
            changes = ["recovery codes made"]
        for change in changes:
            record_second_factor(user, change, old, actor=actor, now=now)
        recorded += changes


@transaction.atomic
def renew_secrets(renewed: Callable[[str], str]) -> int:
    """Replace every stored secret of a second factor by `renewed(secret)` and return how many factors there are. No
    audit entry: nothing changes for anybody."""
    rows = Authenticator.objects.select_for_update().exclude(type=Authenticator.Type.WEBAUTHN)
    for row in rows:
        row.data |= {name: renewed(row.data[name]) for name in ("secret", "seed") if name in row.data}
        row.save(update_fields=["data"])
    return len(rows)


def _factors(user: User) -> dict[int, str]:
    return dict(Authenticator.objects.filter(user=user).values_list("pk", "type"))


def _lock_subject(claims: Claims) -> None:
    """Lock the subject: two browsers at a person's first sign-in must not create two accounts."""
    lock_name(f"{claims.provider}:{claims.subject}", 14)


def _linked_account(claims: Claims, actor: Actor, now: datetime) -> User | None:
    """Return the account of a subject with its row locked and its address as the provider says it now; None where an
    administrator's change untied it by then."""
    ties = SocialAccount.objects.filter(provider=claims.provider, uid=claims.subject)
    for key in ties.values_list("user", flat=True):
        user = User.objects.select_for_update().get(pk=key)
        if not ties.filter(user=user).exists():
            return None
        facts = user_facts(user)
        if _save_address(user, claims):
            record_user_change(user, facts, actor=actor, now=now, fields=["single sign-on address"])
        return user
    return None


def _link_by_address(claims: Claims, actor: Actor, now: datetime) -> User | None:
    """Link the subject to the account that has its verified address, once for each account. Raise NotAllowed.

    While an account is held, whoever has read its one-time link may have set the password: that ends.
    """
    owners = owners_of(claims.email) if claims.email else []
    if not owners:
        return None
    user = User.objects.select_for_update().get(pk=owners[0].pk)
    present = owners_of(claims.email)  # again: an administrator may have taken the address away by now
    if present != [user] or SocialAccount.objects.filter(user=user, provider=claims.provider).exists():
        raise NotAllowed("Another identity already uses the account with your address. Ask an administrator.")
    facts, fields = user_facts(user), ["single sign-on"]
    if LINK in user.held_for:  # another unusable one ends a link that nobody has used yet
        user.set_unusable_password()
        user.save(update_fields=["password"])
        fields.append("password")
    _link(user, claims)
    unconfirm(user)
    record_user_change(user, facts, actor=actor, now=now, fields=fields)
    return user


def untie(user: User, since: datetime, *, actor: Actor, now: datetime) -> None:
    """Remove the subjects and addresses of the provider that an account got since a time when an administrator had
    changed its address: they need not be its owner's. Whoever still has the address is tied to it again."""
    ties = SocialAccount.objects.filter(user=user, date_joined__gte=since)
    if not ties.exists():
        return
    facts = user_facts(user)
    ties.delete()
    EmailAddress.objects.filter(user=user).delete()
    record_user_change(user, facts, actor=actor, now=now, fields=["single sign-on"])


def _create_account(claims: Claims, mapping: Mapping[str, str], actor: Actor, now: datetime) -> User:
    if not claims.groups & mapping.keys():
        raise NotAllowed("You have no account here, and none of your groups is let in. Ask an administrator.")
    if not claims.email:
        raise NotAllowed("Your sign-in came without a verified e-mail address. Ask an administrator.")
    user = User.objects.create_user(
        _free_name(claims), claims.email, first_name=claims.first_name[:150], last_name=claims.last_name[:150]
    )
    _link(user, claims)
    record_user_change(user, None, actor=actor, now=now)
    return user


def _link(user: User, claims: Claims) -> None:
    SocialAccount.objects.create(user=user, provider=claims.provider, uid=claims.subject)
    _save_address(user, claims)


def _free_name(claims: Claims) -> str:
    """Return a user name that is nobody's and looks like no other; the provider's spelling if it is free.

    People may choose `preferred_username` at many providers (OpenID Connect Core 5.7), so it is no proof of anything.
    """
    digest = hashlib.sha256(claims.subject.encode()).hexdigest()[:16]
    preferred = (name for name in (claims.username, claims.email) if name and len(name) <= 150)
    return next((name for name in preferred if why_not_a_name(name, claims.email) is None), f"sso-{digest}")


def _save_address(user: User, claims: Claims) -> bool:
    """Save the verified address, which shows when two accounts belong to one person and whom a gate names; return
    whether it is another one."""
    if not claims.email or EmailAddress.objects.filter(email=claims.email.lower(), verified=True).exists():
        return False
    earlier = EmailAddress.objects.filter(user=user)
    if replaced := [address.lower() for address in earlier.values_list("email", flat=True)]:
        user.former_names = [*user.former_names, *replaced]  # patches may still name their submitter by them
        user.save(update_fields=["former_names"])
    earlier.delete()
    EmailAddress.objects.create(user=user, email=claims.email.lower(), verified=True, primary=True)
    return True


def _set_groups(user: User, mapping: Mapping[str, str], sent: Iterable[str], actor: Actor, now: datetime) -> None:
    """Add and remove the groups that the mapping names; an administrator manages the others. The row is locked."""
    managed, wanted = set(mapping.values()), {mapping[name] for name in sent if name in mapping}
    current = set(user.groups.filter(name__in=managed).values_list("name", flat=True))
    if current == wanted:
        return
    facts = user_facts(user)
    user.groups.remove(*Group.objects.filter(name__in=current - wanted))
    user.groups.add(*Group.objects.filter(name__in=wanted - current))
    record_user_change(user, facts, actor=actor, now=now, fields=["groups"])
