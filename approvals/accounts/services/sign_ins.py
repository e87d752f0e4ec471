"""Record sign-ins, refused ones and proofs of who somebody is, within the limits on guessing."""

from collections.abc import Collection
from datetime import datetime

from django.db import transaction

from approvals.errors import Invalid, TooMany
from approvals.models import User
from audit.log import Actor, Subject, record

from . import guessing


@transaction.atomic
def record_sign_in(user: User, methods: Collection[str], *, actor: Actor, now: datetime) -> None:
    """Record that a person signed in, and by which methods; delete their failed attempts by these at this address."""
    guessing.signed_in(user, actor.ip_address, methods)
    subject = Subject("user", f"user:{user.pk}", user.username)
    record("login.succeeded", actor=actor, at=now, subject=subject, data={"methods": list(methods)})


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
    guessing.password_again(user, actor.ip_address, now=now)
    if not user.check_password(password):
        record_failed_confirmation(user, actor=actor, now=now)
        raise Invalid("The password is wrong.", field="password")
    with transaction.atomic():
        guessing.password_proved(user)
        _record_confirmation(user, actor, now)


@transaction.atomic
def record_right_code(user: User, *, actor: Actor, now: datetime) -> None:
    """Record that a signed-in person proved by a code or key who they are; delete their wrong codes until now."""
    guessing.code_proved(user)
    _record_confirmation(user, actor, now)


def _record_confirmation(user: User, actor: Actor, now: datetime) -> None:
    record("login.confirmed", actor=actor, at=now, subject=Subject("user", f"user:{user.pk}", user.username))


def record_failed_confirmation(user: User, *, actor: Actor, now: datetime) -> None:
    """Record a wrong password or code from somebody who is signed in, or whose password was right."""
    subject = Subject("user", f"user:{user.pk}", user.username)
    record("login.failed", actor=actor, at=now, subject=subject, data={"confirming": True})
