"""Limits on guessing passwords and codes, the same in every process. The only writer of attempts and lock-outs."""

import hashlib
import ipaddress
from collections.abc import Collection, Mapping
from datetime import datetime, timedelta

from allauth.usersessions.models import UserSession
from django.db import transaction
from django.db.models import F

from approvals.errors import TooMany
from approvals.models import Attempt, Lockout, User
from audit.log import Actor, NewEntry, Subject, record_all
from audit.models import ActorKind
from postgresql.statements import lock_name

SHARED_KEY = "rest:{}"
WINDOW = timedelta(minutes=15)
PER_ACCOUNT = 10
PER_ADDRESS = 100  # an office behind one address signs in together
PER_NAME = 100  # from everywhere; what NIST SP 800-63B-3 5.2.2 allows an account
MOST_UNKNOWN_ADDRESSES = 20
"""How many addresses without an account have an entry of their own in a window; the rest share one, so that a caller
with many addresses cannot fill the log."""


def sign_in(user: User | None, typed: str, address: str | None, *, now: datetime) -> None:
    """Count one attempt to sign in, before the password is checked. Raise TooMany once a limit is reached: of the name
    at this address, of the address, or of the name from everywhere.

    The typed name is counted, not its account: locking user name and e-mail address together would show that they
    belong together. The limit from everywhere does not apply at an address where the account has a session.
    """
    limits = {_key_at_address(typed, address): PER_ACCOUNT}
    if address:
        limits[f"address:{network(address)}"] = PER_ADDRESS
    if not (user and address and UserSession.objects.filter(user=user, ip=address).exists()):
        limits[f"name:{_digest(typed)}"] = PER_NAME
    _count(limits, Lockout(kind=Lockout.Kind.SIGN_IN, user=user, address=address), now)


def from_provider(address: str | None, *, now: datetime) -> None:
    """Count one refused return from the single sign-on provider. Raise TooMany once the address is at its limit."""
    key = f"address:{network(address)}" if address else "address:"
    _count({key: PER_ADDRESS}, Lockout(kind=Lockout.Kind.SIGN_IN, address=address), now)


def code(user: User, address: str | None, *, now: datetime) -> None:
    """Count one code at sign-in, after the right password, from any address. Raise TooMany."""
    _count({f"code:{user.pk}": PER_ACCOUNT}, Lockout(kind=Lockout.Kind.CODE, user=user, address=address), now)


def password_again(user: User, address: str | None, *, now: datetime) -> None:
    """Count one password of a signed-in person, apart from attempts to sign in. Raise TooMany."""
    _count({f"proof:{user.pk}": PER_ACCOUNT}, Lockout(kind=Lockout.Kind.PROOF, user=user, address=address), now)


def code_again(user: User, address: str | None, *, now: datetime) -> None:
    """Count one code of a signed-in person, apart from their passwords: a right password is easier to come by than a
    right code, and must give no new attempts at one. Raise TooMany."""
    _count({f"factor:{user.pk}": PER_ACCOUNT}, Lockout(kind=Lockout.Kind.PROOF, user=user, address=address), now)


@transaction.atomic
def refused(user: User | None, address: str | None, *, now: datetime) -> bool:
    """Count one refused sign-in below the limits and return whether it gets an entry of its own: the first of an
    account, or of an address that named no account. Those that follow in the window are summed up."""
    key = f"refused:{user.pk}" if user else f"refused:{network(address) if address else '-'}"
    row = Lockout(key=key, kind=Lockout.Kind.REFUSED, user=user, address=address, tries=0, first_at=now, last_at=now)
    return _add_try(row, first=0) and row.key != SHARED_KEY.format(row.kind)


def signed_in(user: User, address: str | None, methods: Collection[str]) -> None:
    """Delete the attempts of a person who signed in by these methods: at the account's names from this address after
    a right password, at its codes after a right code or key.

    Attempts from other addresses stay, or each sign-in would give strangers new attempts.
    """
    keys = [f"code:{user.pk}"] if "mfa" in methods else []
    if "password" in methods:
        keys += [_key_at_address(typed, address) for typed in (user.username, user.email) if typed]
    Attempt.objects.filter(key__in=keys).delete()


def password_proved(user: User) -> None:
    """Delete the wrong passwords of a signed-in person, who now gave the right one; their wrong codes stay."""
    Attempt.objects.filter(key=f"proof:{user.pk}").delete()


def code_proved(user: User) -> None:
    """Delete the wrong codes of a signed-in person, who now gave a right code or key; their wrong passwords stay."""
    Attempt.objects.filter(key=f"factor:{user.pk}").delete()


def forget_old(now: datetime) -> int:
    """Delete attempts that no limit counts any more; return how many."""
    return Attempt.objects.filter(at__lte=now - WINDOW).delete()[0]


@transaction.atomic
def sum_up(now: datetime, limit: int = 200) -> int:
    """Write one entry, with the number of attempts, for each lock-out whose window is over; return how many lock-outs
    there were.

    One entry for each attempt would let anybody without an account fill the log.
    """
    over = Lockout.objects.select_for_update(skip_locked=True, of=("self",)).select_related("user")
    rows = list(over.filter(first_at__lte=now - WINDOW).order_by("first_at")[:limit])
    record_all([_summary_entry(row) for row in rows if row.tries], at=now)
    Lockout.objects.filter(pk__in=[row.pk for row in rows]).delete()
    return len(rows)


def network(address: str) -> str:
    """Return the address as limits count it: for IPv6 its /64, because one caller has all its addresses (RFC 7421)."""
    ip = ipaddress.ip_address(address)
    if ip.version == 4:
        return str(ip)
    if ip.ipv4_mapped:
        return str(ip.ipv4_mapped)
    return str(ipaddress.ip_network((ip, 64), strict=False))


def _count(limits: Mapping[str, int], lockout: Lockout, now: datetime) -> None:
    """Count one attempt under each key, or raise TooMany and count it in the lock-out of the key that is at its limit.

    Counting first, under a lock, leaves no gap in which many attempts at once all pass. A name without an account is
    counted like any other, so that a lock-out does not show who has an account.
    """
    with transaction.atomic():
        for key in sorted(limits):
            _lock(key)
            recent = Attempt.objects.filter(key=key, at__gt=now - WINDOW).order_by("-at")
            if (spent := list(recent.values_list("at", flat=True)[: limits[key]])) and len(spent) >= limits[key]:
                _add_to_lockout(key, lockout, now)
                break
        else:
            Attempt.objects.bulk_create([Attempt(key=key, at=now) for key in limits])
            return
    wait = max(1, int((spent[-1] + WINDOW - now).total_seconds()))
    raise TooMany(f"Too many attempts. Try again in {_minutes(wait)}.", retry_after=wait)


def _add_to_lockout(key: str, lockout: Lockout, now: datetime) -> None:
    lockout.key, lockout.tries, lockout.first_at, lockout.last_at = key, 1, now, now
    if key.startswith("address:"):  # attempts at many names: the first one means nothing
        lockout.user = None
    _add_try(lockout, first=1)


def _add_try(row: Lockout, *, first: int) -> bool:
    """Add one attempt to the row of this key, or start a row with `first` attempts; return whether it was started.
    Addresses without an account share one row beyond the first MOST_UNKNOWN_ADDRESSES."""
    if _count_in_row(row):
        return False
    if row.user is None:
        _lock("strangers")
        shared = SHARED_KEY.format(row.kind)
        if Lockout.objects.filter(user=None, kind=row.kind).exclude(key=shared).count() >= MOST_UNKNOWN_ADDRESSES:
            row.key, row.address, first = shared, None, 1
    _lock(row.key)
    if _count_in_row(row):
        return False
    row.tries = first
    row.save(force_insert=True)
    return True


def _count_in_row(row: Lockout) -> bool:
    same = Lockout.objects.filter(key=row.key)
    if not same.update(tries=F("tries") + 1, last_at=row.last_at):
        return False
    if row.user is not None and row.kind == Lockout.Kind.REFUSED:  # of several addresses none is named
        same.exclude(address=row.address).update(address=None)
    return True


def _summary_entry(row: Lockout) -> NewEntry:
    user = row.user
    identified = user is not None and row.kind in {Lockout.Kind.CODE, Lockout.Kind.PROOF}
    actor = Actor(
        f"user:{user.pk}" if user and identified else "anonymous",
        ActorKind.HUMAN,
        user.username if user and identified else "",
        "session" if row.kind == Lockout.Kind.PROOF else "",
        ip_address=row.address,
    )
    subject = Subject("user", f"user:{user.pk}", user.username) if user else Subject("user", "unknown")
    data = {
        "kind": row.kind,
        "counted_by": _counted_by(row),
        "tries": row.tries,
        "first_at": row.first_at,
        "last_at": row.last_at,
    }
    return NewEntry("login.failed" if row.kind == Lockout.Kind.REFUSED else "login.locked", actor, subject, data)


def _counted_by(row: Lockout) -> str:
    kind = row.key.partition(":")[0]
    return kind if kind != "refused" else "account" if row.user else "address"


def _key_at_address(typed: str, address: str | None) -> str:
    origin = network(address) if address else "-"
    return f"at:{_digest(f'{origin} {typed.strip()}')}"


def _digest(typed: str) -> str:
    spelling = typed.strip().upper().casefold()  # the database compares in capitals, where a dotless i is an I
    return hashlib.sha256(spelling.encode()).hexdigest()[:40]  # it may be a password


def _lock(key: str) -> None:
    lock_name(key, 13)


def _minutes(seconds: int) -> str:
    minutes = -(-seconds // 60)
    return f"{minutes} minute{'s' if minutes > 1 else ''}"
