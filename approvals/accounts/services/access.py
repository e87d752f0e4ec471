"""Change producers, API tokens and accounts, and record sign-ins: each with its audit entry. The only writer of
producers and tokens."""

import hashlib
import secrets
from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any

from allauth.mfa.models import Authenticator
from allauth.socialaccount.models import SocialAccount
from django.contrib.auth.models import Group
from django.db import transaction
from django.utils.crypto import salted_hmac

from approvals.errors import Invalid, NotAllowed, TooMany
from approvals.models import EXTRA_SCOPES, SCOPES, ApiToken, Producer, Theme, TokenKind, User
from audit.log import Actor, Subject, record
from audit.models import ActorKind

from . import guessing
from .owners import demand_own

MAX_NAME = 100
ALPHABET = "abcdefghijkmnpqrstuvwxyz23456789"


def digest_of(token: str) -> str:
    """Return what is stored of a token: its SHA-256 in hex (256 random bits need no slow hash)."""
    return hashlib.sha256(token.encode()).hexdigest()


def issue_token(
    name: str,
    kind: TokenKind,
    *,
    actor: Actor,
    now: datetime,
    producer: Producer | None = None,
    user: User | None = None,
    scopes: Iterable[str] = (),
    expires_at: datetime | None = None,
) -> tuple[ApiToken, str]:
    """Make a token and return it with its secret, which is never shown again.

    `scopes` narrows (or, for comments:write, extends) what this kind of token may do. A personal token is issued by the
    person it acts as, or from the shell of the server. Raise Invalid or NotAllowed.
    """
    wanted = list(scopes) or list(SCOPES[kind])
    if user is not None and actor.kind == ActorKind.HUMAN:
        if actor.id != f"user:{user.pk}":
            raise NotAllowed("A personal token is issued by the person it acts as, on their account page.")
        demand_own(user)
    check_token(kind, wanted, user, expires_at, now)
    check_name(name)
    prefix = "".join(secrets.choice(ALPHABET) for _ in range(8))
    secret = f"hitl_{prefix}_{secrets.token_urlsafe(32)}"
    with transaction.atomic():
        if kind == TokenKind.PRODUCER and producer is None:
            producer = ensure_producer(name, actor=actor, now=now)
        token = ApiToken.objects.create(
            name=name,
            kind=kind,
            prefix=prefix,
            digest=digest_of(secret),
            scopes=wanted,
            producer=producer if kind == TokenKind.PRODUCER else None,
            user=user if kind == TokenKind.PERSONAL else None,
            issued_by=actor.label,
            created_at=now,
            expires_at=expires_at,
        )
        record(
            "token.issued",
            actor=actor,
            at=now,
            subject=Subject("token", prefix, name),
            data={
                "kind": str(kind),
                "producer": token.producer.name if token.producer else None,
                "user": f"user:{token.user_id}" if token.user_id else None,
                "scopes": wanted,
                "expires_at": expires_at,
            },
        )
    return token, secret


def check_token(
    kind: TokenKind, scopes: Iterable[str], user: User | None, expires_at: datetime | None, now: datetime
) -> None:
    """Raise Invalid for a token that must not be issued; each error says which field is wrong."""
    unknown = set(scopes) - set(SCOPES[kind]) - set(EXTRA_SCOPES)
    if unknown:
        raise Invalid(f"A {kind} token cannot have the scope {', '.join(sorted(unknown))}.", field="scopes")
    if kind == TokenKind.PERSONAL and user is None:
        raise Invalid("A personal token belongs to a user.", field="user")
    if kind != TokenKind.PERSONAL and user is not None:
        raise Invalid(f"A {kind} token belongs to a machine, not to a person.", field="user")
    if kind == TokenKind.PERSONAL and list(scopes):
        raise Invalid("A personal token may do what its person may; it has no scopes of its own.", field="scopes")
    if expires_at is not None and expires_at <= now:
        raise Invalid("The expiry must be in the future.", field="expires_at")


def check_name(name: str) -> None:
    """Raise Invalid unless a producer or token may have this name."""
    if not name.strip() or len(name) > MAX_NAME or not name.isprintable():
        raise Invalid(f"A name has 1 to {MAX_NAME} printable characters.", field="name")


def revoke_token(token: ApiToken, *, actor: Actor, now: datetime) -> bool:
    """Revoke a token at once and return whether it was in force until now; a repeated call changes nothing."""
    with transaction.atomic():
        ended = ApiToken.objects.filter(pk=token.pk, revoked_at=None).update(revoked_at=now)
        if ended:
            record("token.revoked", actor=actor, at=now, subject=Subject("token", token.prefix, token.name))
    return bool(ended)


@transaction.atomic
def revoke_personal_tokens(user: User, *, actor: Actor, now: datetime) -> int:
    """Revoke every personal token of a user, each with its audit entry, and return how many there were."""
    tokens = ApiToken.objects.filter(user=user, kind=TokenKind.PERSONAL, revoked_at=None).order_by("pk")
    return sum(revoke_token(token, actor=actor, now=now) for token in tokens)


def touch_token(token: ApiToken, now: datetime) -> None:
    """Save when a token was last used, at most once a minute: otherwise its requests would wait for one row's lock."""
    if token.last_used_at is None or now - token.last_used_at > timedelta(minutes=1):
        ApiToken.objects.filter(pk=token.pk).update(last_used_at=now)


def ensure_producer(name: str, *, actor: Actor, now: datetime) -> Producer:
    """Return the producer of that name; create it, trusted for nothing, if there is none. Raise Invalid."""
    check_name(name)
    with transaction.atomic():
        producer, created = Producer.objects.get_or_create(name=name, defaults={"created_at": now})
        if created:
            record(
                "producer.changed",
                actor=actor,
                at=now,
                subject=Subject("producer", str(producer.pk), name),
                data={"old": None, "new": _producer_facts(producer)},
            )
    return producer


def change_producer(producer: Producer, *, actor: Actor, now: datetime) -> None:
    """Save a producer as set on the object, with old and new values in the log; without a change write nothing."""
    with transaction.atomic():
        old = Producer.objects.select_for_update().get(pk=producer.pk) if producer.pk else None
        if old is None:
            producer.created_at = now
        elif _producer_facts(old) == _producer_facts(producer):
            return
        producer.save()
        record(
            "producer.changed",
            actor=actor,
            at=now,
            subject=Subject("producer", str(producer.pk), producer.name),
            data={"old": _producer_facts(old) if old else None, "new": _producer_facts(producer)},
        )


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
    subjects = SocialAccount.objects.filter(user=user).order_by("pk").values_list("provider", "uid")
    return {
        "active": user.is_active,
        "staff": user.is_staff,
        "superuser": user.is_superuser,
        "groups": sorted(user.groups.values_list("name", flat=True)),
        "password": hashlib.sha256(user.password.encode()).hexdigest()[:8],
        "email": _digest("email", user.email.casefold()),
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


@transaction.atomic
def record_sign_in(user: User, methods: Iterable[str], *, actor: Actor, now: datetime) -> None:
    """Record that a person signed in, and by which methods; delete their failed attempts at this address."""
    guessing.signed_in(user, actor.ip_address)
    subject = Subject("user", f"user:{user.pk}", user.username)
    record("login.succeeded", actor=actor, at=now, subject=subject, data={"methods": list(methods)})


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


def record_sign_out(user: User, why: str = "signed out", *, actor: Actor, now: datetime) -> None:
    """Record that a session ended: the person ended it, or a time limit."""
    subject = Subject("user", f"user:{user.pk}", user.username)
    record("login.ended", actor=actor, at=now, subject=subject, data={"why": why})


@transaction.atomic
def record_failed_sign_in(user: User | None, *, actor: Actor, now: datetime) -> None:
    """Record a refused sign-in, at once or summed up later; what was typed is never stored, it may be a password."""
    if not guessing.refused(user, actor.ip_address, now=now):
        return
    subject = Subject("user", f"user:{user.pk}", user.username) if user else Subject("user", "unknown", "")
    record("login.failed", actor=actor, at=now, subject=subject)


def refuse_from_provider(*, actor: Actor, now: datetime) -> None:
    """Record that a person whom the provider sent was refused; above the limit of an address, write nothing."""
    try:
        guessing.from_provider(actor.ip_address, now=now)
    except TooMany:
        return
    record_failed_sign_in(None, actor=actor, now=now)


def confirm_password(user: User, password: str, *, actor: Actor, now: datetime) -> None:
    """Check a signed-in person's password again, with an entry either way. Raise Invalid or TooMany, which is summed
    up in one entry later."""
    guessing.proof(user, actor.ip_address, now=now)
    if not user.check_password(password):
        record_failed_confirmation(user, actor=actor, now=now)
        raise Invalid("The password is wrong.", field="password")
    record_confirmation(user, actor=actor, now=now)


@transaction.atomic
def record_confirmation(user: User, *, actor: Actor, now: datetime) -> None:
    """Record that a signed-in person proved again who they are; delete their failed attempts until now."""
    guessing.proved(user)
    record("login.confirmed", actor=actor, at=now, subject=Subject("user", f"user:{user.pk}", user.username))


def record_failed_confirmation(user: User, *, actor: Actor, now: datetime) -> None:
    """Record a wrong password or code from somebody who is signed in, or whose password was right."""
    subject = Subject("user", f"user:{user.pk}", user.username)
    record("login.failed", actor=actor, at=now, subject=subject, data={"confirming": True})


def _producer_facts(producer: Producer) -> dict[str, Any]:
    return {
        "name": producer.name,
        "trusted_for_ml": producer.trusted_for_ml,
        "trusted_for_wargaming": producer.trusted_for_wargaming,
    }


def record_export(what: str, filters: dict[str, str], *, actor: Actor, now: datetime) -> None:
    """Record that a list was exported, and its filters; their values may name people, so they stand in `aside`."""
    subject, narrowed = Subject("export", what, what), sorted(name for name, value in filters.items() if value)
    record(
        "export.made", actor=actor, at=now, subject=subject, data={"narrowed_by": narrowed}, aside={"filters": filters}
    )


def set_theme(user: User, theme: Theme) -> None:
    """Save a person's colour theme; no audit entry, because it decides nothing."""
    User.objects.filter(pk=user.pk).update(theme=theme)


def set_single_keys(user: User, on: bool) -> None:
    """Save whether single-key shortcuts are on; no audit entry, because it decides nothing."""
    User.objects.filter(pk=user.pk).update(single_keys=on)
