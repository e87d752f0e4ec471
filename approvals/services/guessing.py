"""Limits on guessing passwords and codes, the same in every process. The only writer of attempts and lock-outs."""

import hashlib
import ipaddress
from collections.abc import Mapping
from datetime import datetime, timedelta

from allauth.usersessions.models import UserSession
from django.db import transaction
from django.db.models import F

from approvals.errors import TooMany
from approvals.models import Attempt, Lockout, User
from audit.log import Actor, NewEntry, Subject, record_all
from audit.models import ActorKind
from audit.statements import query_prepared

REST = "rest:{}"
WINDOW = timedelta(minutes=15)
PER_ACCOUNT = 10
PER_ADDRESS = 100  # an office behind one address signs in together
PER_NAME = 100  # from everywhere; what NIST SP 800-63B-3 5.2.2 allows an account
STRANGERS = 20
"""How many addresses have entries of their own in a window where no account was named; the rest share one. Else whoever
has many addresses fills the log."""


def sign_in(user: User | None, typed: str, address: str | None, *, now: datetime) -> None:
    """Count one try to sign in before the password is looked at. Raise TooMany once the name at this address, the
    address or the name everywhere has had its share.

    The name typed is counted, never the account behind it: that both names of one account are locked together would
    tell that they are names. A name locked everywhere still signs in where its person has a session.
    """
    limits = {_at(typed, address): PER_ACCOUNT}
    if address:
        limits[f"address:{network(address)}"] = PER_ADDRESS
    if not (user and address and UserSession.objects.filter(user=user, ip=address).exists()):
        limits[f"name:{_digest(typed)}"] = PER_NAME
    _count(limits, Lockout(kind=Lockout.Kind.SIGN_IN, user=user, address=address), now)


def from_provider(address: str | None, *, now: datetime) -> None:
    """Count one refused return from the single sign-on provider. Raise TooMany once the address has had its share."""
    key = f"address:{network(address)}" if address else "address:"
    _count({key: PER_ADDRESS}, Lockout(kind=Lockout.Kind.SIGN_IN, address=address), now)


def code(user: User, address: str | None, *, now: datetime) -> None:
    """Count one code at sign-in, after the right password, wherever it is typed. Raise TooMany."""
    _count({f"code:{user.pk}": PER_ACCOUNT}, Lockout(kind=Lockout.Kind.CODE, user=user, address=address), now)


def proof(user: User, address: str | None, *, now: datetime) -> None:
    """Count one password or code of a signed-in person, apart from what strangers try. Raise TooMany."""
    _count({f"proof:{user.pk}": PER_ACCOUNT}, Lockout(kind=Lockout.Kind.PROOF, user=user, address=address), now)


@transaction.atomic
def refused(user: User | None, address: str | None, *, now: datetime) -> bool:
    """Count one refused sign-in below the limits and return whether it is an entry of its own: the first of an account,
    or of an address that named none. What follows in the window is summed up."""
    key = f"refused:{user.pk}" if user else f"refused:{network(address) if address else '-'}"
    row = Lockout(key=key, kind=Lockout.Kind.REFUSED, user=user, address=address, tries=0, first_at=now, last_at=now)
    return _added(row, first=0) and row.key != REST.format(row.kind)


def signed_in(user: User, address: str | None) -> None:
    """Forget the tries at an account's names from this address, and its codes: its person is there.

    Those from other addresses stay, or each sign-in would give strangers their tries back.
    """
    names = [_at(typed, address) for typed in (user.username, user.email) if typed]
    Attempt.objects.filter(key__in=[*names, f"code:{user.pk}"]).delete()


def proved(user: User) -> None:
    """Forget the wrong proofs of a signed-in person, who gave a right one."""
    Attempt.objects.filter(key=f"proof:{user.pk}").delete()


def forget_old(now: datetime) -> int:
    """Remove tries that no limit counts any more; return how many."""
    return Attempt.objects.filter(at__lte=now - WINDOW).delete()[0]


@transaction.atomic
def sum_up(now: datetime, limit: int = 200) -> int:
    """Write one entry for each row that began a window ago, with how many tries it counts, and return how many rows
    there were.

    One each would let anybody without an account fill the log.
    """
    over = Lockout.objects.select_for_update(skip_locked=True, of=("self",)).select_related("user")
    rows = list(over.filter(first_at__lte=now - WINDOW).order_by("first_at")[:limit])
    record_all([_summed(row) for row in rows if row.tries], at=now)
    Lockout.objects.filter(pk__in=[row.pk for row in rows]).delete()
    return len(rows)


def network(address: str) -> str:
    """Return the address as limits count it: of IPv6 the /64, of which one caller has every address (RFC 7421)."""
    found = ipaddress.ip_address(address)
    if found.version == 4:
        return str(found)
    if found.ipv4_mapped:
        return str(found.ipv4_mapped)
    return str(ipaddress.ip_network((found, 64), strict=False))


def _count(limits: Mapping[str, int], who: Lockout, now: datetime) -> None:
    """Count one try under each key, or raise TooMany and add it to what the lock-out of that key turned away.

    Counting first, under a lock, leaves no gap in which many tries at once all pass. A name that nobody has is
    counted like any other, so that being locked out tells nothing about who has an account.
    """
    with transaction.atomic():
        for key in sorted(limits):
            _lock(key)
            recent = Attempt.objects.filter(key=key, at__gt=now - WINDOW).order_by("-at")
            if (spent := list(recent.values_list("at", flat=True)[: limits[key]])) and len(spent) >= limits[key]:
                _turned_away(key, who, now)
                break
        else:
            Attempt.objects.bulk_create([Attempt(key=key, at=now) for key in limits])
            return
    wait = max(1, int((spent[-1] + WINDOW - now).total_seconds()))
    raise TooMany(f"Too many attempts. Try again in {_minutes(wait)}.", retry_after=wait)


def _turned_away(key: str, who: Lockout, now: datetime) -> None:
    who.key, who.tries, who.first_at, who.last_at = key, 1, now, now
    if key.startswith("address:"):  # many names; the first of them says nothing
        who.user = None
    _added(who, first=1)


def _added(row: Lockout, *, first: int) -> bool:
    """Add one try to the row of this key, or begin one with `first` tries, and return whether it was begun; strangers
    beyond the first few share a row."""
    if _counted(row):
        return False
    if row.user is None:
        _lock("strangers")
        shared = REST.format(row.kind)
        if Lockout.objects.filter(user=None, kind=row.kind).exclude(key=shared).count() >= STRANGERS:
            row.key, row.address, first = shared, None, 1
    _lock(row.key)
    if _counted(row):
        return False
    row.tries = first
    row.save(force_insert=True)
    return True


def _counted(row: Lockout) -> bool:
    same = Lockout.objects.filter(key=row.key)
    if not same.update(tries=F("tries") + 1, last_at=row.last_at):
        return False
    if row.user is not None and row.kind == Lockout.Kind.REFUSED:  # from wherever: one address would be wrong
        same.exclude(address=row.address).update(address=None)
    return True


def _summed(row: Lockout) -> NewEntry:
    user = row.user
    inside = user is not None and row.kind in {Lockout.Kind.CODE, Lockout.Kind.PROOF}
    actor = Actor(
        f"user:{user.pk}" if user and inside else "anonymous",
        ActorKind.HUMAN,
        user.username if user and inside else "",
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
    what = row.key.partition(":")[0]
    return what if what != "refused" else "account" if row.user else "address"


def _at(typed: str, address: str | None) -> str:
    where = network(address) if address else "-"
    return f"at:{_digest(f'{where} {typed.strip()}')}"


def _digest(typed: str) -> str:
    return hashlib.sha256(typed.strip().casefold().encode()).hexdigest()[:40]  # it may be a password


def _lock(key: str) -> None:
    query_prepared("select pg_advisory_xact_lock(hashtextextended(%s, 13))", [key])


def _minutes(seconds: int) -> str:
    minutes = -(-seconds // 60)
    return f"{minutes} minute{'s' if minutes > 1 else ''}"
