"""Limits on guessing passwords and codes, the same in every process. The only writer of attempts."""

import hashlib
from datetime import datetime, timedelta

from django.db import transaction

from approvals.errors import TooMany
from approvals.models import Attempt, User
from audit.statements import prepared

WINDOW = timedelta(minutes=15)
PER_ACCOUNT = 10
PER_ADDRESS = 100  # an office behind one address signs in together


def attempt(user: User | None, typed: str, address: str | None, *, now: datetime) -> None:
    """Count one try before the secret is looked at. Raise TooMany once this account or address has had its share.

    Counting first, under a lock, leaves no gap in which many tries at once all pass. A name that nobody has is
    counted like any other, so that being locked out tells nothing about who has an account.
    """
    limits = {_account(user, typed): PER_ACCOUNT}
    if address:
        limits[f"address:{address}"] = PER_ADDRESS
    with transaction.atomic():
        for key in sorted(limits):
            _lock(key)
            recent = Attempt.objects.filter(key=key, at__gt=now - WINDOW).order_by("-at")
            if (spent := list(recent.values_list("at", flat=True)[: limits[key]])) and len(spent) >= limits[key]:
                wait = max(1, int((spent[-1] + WINDOW - now).total_seconds()))
                raise TooMany(f"Too many attempts. Try again in {_minutes(wait)}.", retry_after=wait)
        Attempt.objects.bulk_create([Attempt(key=key, at=now) for key in limits])


def succeeded(user: User) -> None:
    """Forget an account's tries: its person is there. The address's stay."""
    Attempt.objects.filter(key=_account(user, "")).delete()


def forget_old(now: datetime) -> int:
    """Remove tries that no limit counts any more; return how many."""
    return Attempt.objects.filter(at__lte=now - WINDOW).delete()[0]


def _account(user: User | None, typed: str) -> str:
    if user is not None:
        return f"user:{user.pk}"
    return f"name:{hashlib.sha256(typed.strip().casefold().encode()).hexdigest()[:40]}"  # it may be a password


def _lock(key: str) -> None:
    prepared("select pg_advisory_xact_lock(hashtextextended(%s, 13))", [key])


def _minutes(seconds: int) -> str:
    minutes = -(-seconds // 60)
    return f"{minutes} minute{'s' if minutes > 1 else ''}"
