"""Issue, revoke and touch API tokens, each change with its audit entry. The only writer of tokens."""

import hashlib
import secrets
from collections.abc import Iterable
from datetime import datetime, timedelta

from django.db import transaction

from approvals.errors import Invalid, NotAllowed
from approvals.models import EXTRA_SCOPES, SCOPES, ApiToken, Producer, TokenKind, User
from approvals.services.producers import check_name, ensure_producer
from audit.log import Actor, Subject, record
from audit.models import ActorKind

from .owners import demand_own

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
