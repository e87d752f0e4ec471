"""People as the rules see them: their groups and permissions at this moment."""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from allauth.account.models import EmailAddress
from allauth.mfa.models import Authenticator
from allauth.socialaccount.models import SocialAccount
from django.conf import settings
from django.db.models import Q, QuerySet, Value
from django.db.models.functions import Concat, Lower

from approvals.models import ApiToken, Producer, TokenKind, User
from approvals.permissions import REVIEW_DECISION
from approvals.policy.holding import why_held
from approvals.policy.lookalikes import why_not, why_not_free
from approvals.policy.quorum import Approver
from approvals.policy.rules import Absent, Reviewer
from approvals.policy.submitters import all_in
from postgresql.row_reader import Joined, RowReader
from postgresql.statements import query

# Plain SQL: every verdict and every request of a person runs this, and composing it through the ORM costs many times
# what the database needs.
MEMBERSHIPS_SQL = "select user_id, team, permission from approvals_membership where user_id = any(%s)"
USERS = RowReader(User)
Membership = tuple[int, str, str | None]
"""User, group, permission of one active person; the permission is None in a group without any."""


def reviewer_from_db(
    user: User, authn: str = "session", among: list[Membership] | None = None, absent: tuple[Absent, ...] = ()
) -> Reviewer:
    """Return what the rules need to know of a user. Being a superuser makes nobody a reviewer: only groups count.

    `among` are memberships just read that include this user's; without it one query reads them. `absent` are the people
    they stand in for. With single sign-on one more query.
    """
    own_memberships = [
        membership for membership in (memberships([user.pk]) if among is None else among) if membership[0] == user.pk
    ]
    return Reviewer(
        id=user.pk,
        email=user.email,
        username=user.username,
        groups=frozenset(group for _, group, _ in own_memberships),
        permissions=frozenset(permission for _, _, permission in own_memberships if permission),
        authn=authn,
        absent=absent,
        addresses=verified_addresses(user) if settings.OIDC_ISSUER else frozenset(),
        former=frozenset(user.former_names),
        held=held(user),
    )


def held(user: User) -> str:
    """Return why this account is held, from its columns as read; '' if it is not."""
    return why_held(user.held_since, user.held_for, user.owner_confirmed_at)


def reviewer_shown(user: User, absent: tuple[Absent, ...] = ()) -> Reviewer:
    """Return what pages need to know of a user, from what `signed_in` read for their request, without a query. A
    decision reads it again, under its lock."""
    return reviewer_from_db(user, among=user.memberships_read, absent=absent)


SIGNED_IN_SQL = Joined(
    """
select {columns},
       (select json_agg(json_build_array(user_id, team, permission))
        from approvals_membership where user_id = person.id),
       (select json_agg(type.app_label || '.' || permission.codename)
        from approvals_user_user_permissions granted
        join auth_permission permission on permission.id = granted.permission_id
        join django_content_type type on type.id = permission.content_type_id
        where granted.user_id = person.id),
       (select count(*) from (
            select from notifications_item where person_id = person.id and read_at is null limit 100
        ) few)
from approvals_user person where person.id = %s
""",
    person=USERS,
)


def signed_in(key: int | str) -> User | None:
    """Return an account with its present memberships, own permissions and the count of unread notices; one query."""
    for user, read_memberships, own_permissions, unread in SIGNED_IN_SQL.read([int(key)]):
        user.memberships_read = as_memberships(read_memberships)
        user.permissions_read = frozenset(
            [*(name for _, _, name in user.memberships_read if name), *(own_permissions or ())]
        )
        user.unread_notices = unread
        return user  # type: ignore[no-any-return]
    return None


def as_memberships(rows: Iterable[Sequence[Any]] | None) -> list[Membership]:
    """Return memberships from rows of a JSON array; None is an empty one."""
    return [(member, team, permission) for member, team, permission in rows or ()]


def verified_addresses(user: User) -> frozenset[str]:
    """Return the e-mail addresses that the single sign-on provider verified for a person."""
    return frozenset(EmailAddress.objects.filter(user=user, verified=True).values_list("email", flat=True))


# It, the functions below and ACCOUNTS_NAMED_SQL remove +tags as `policy.submitters.same` does: that is one mailbox.
IDENTITIES_SQL = r"""
with addressed as (
    select id, email from approvals_user where id = any(%(ids)s) and email <> ''
    union select user_id, email from account_emailaddress where verified and user_id = any(%(ids)s)
)
select id, 'address:' || regexp_replace(lower(email), '(.)\+[^@]*@', '\1@') from addressed
union select user_id, 'subject:' || provider || ' ' || uid from socialaccount_socialaccount where user_id = any(%(ids)s)
"""
OWN_ACCOUNTS_SQL = "select approvals_accounts(%s)"
KNOWN_AS_SQL = "select approvals_names(%s)"


def accounts_of(user: User) -> frozenset[int]:
    """Return every account that belongs to this person, as `one_person_once` defines it, and this one; one query."""
    return frozenset(pk for (pk,) in query(OWN_ACCOUNTS_SQL, [user.pk]))


def known_as(user: User) -> frozenset[str]:
    """Return every name by which a patch may name this person, folded: those of all their accounts, also former ones;
    one query."""
    [(names,)] = query(KNOWN_AS_SQL, [user.pk])
    return frozenset({user.email.casefold(), user.username.casefold(), *names})


def one_person_once(people: list[Approver]) -> list[Approver]:
    """Return these people with accounts merged that share a subject of the provider or an e-mail address.

    The database refuses two accounts with the same subject or the same own address. What remains is an account whose
    own address the provider has verified for somebody who signs in to another account, and an address with another
    +tag. The lower id is kept.
    """
    if len(people) < 2:
        return people
    rows = query(IDENTITIES_SQL, {"ids": [person.id for person in people]})
    keys = {person.id: {key for user_id, key in rows if user_id == person.id} for person in people}
    distinct: list[tuple[Approver, set[str]]] = []
    for person in people:
        same = [other for other in distinct if other[1] & keys[person.id]]
        distinct = [other for other in distinct if other not in same]
        parts = [*(approver for approver, _ in same), person]
        merged = Approver(min(part.id for part in parts), frozenset().union(*(part.groups for part in parts)))
        distinct.append((merged, keys[person.id].union(*(other_keys for _, other_keys in same))))
    return sorted((approver for approver, _ in distinct), key=lambda approver: approver.id)


def approvers(
    user_ids: Iterable[int], among: list[Membership] | None = None, deciders: Collection[str] = ()
) -> list[Approver]:
    """Return those of these people who may still review, with their present groups; `among` as in `reviewer_from_db`.

    Somebody who has since left the reviewers, or the groups that decide under the policy, or whose account was switched
    off, no longer counts. One person with two accounts counts once.
    """
    ids = set(user_ids)
    found = [each for each in (memberships(ids) if among is None else among) if each[0] in ids]
    may = {user_id for user_id, _, permission in found if permission == REVIEW_DECISION}
    groups = {user_id: frozenset(group for member, group, _ in found if member == user_id) for user_id in may}
    people = [Approver(user_id, groups[user_id]) for user_id in sorted(may)]
    return one_person_once([each for each in people if not deciders or each.groups & set(deciders)])


def reviewers() -> QuerySet[User]:
    """Return the active people who may review, in no order."""
    return User.objects.filter(is_active=True, groups__permissions__codename="review_decision").distinct()


def ids_by_name(names: Collection[str]) -> dict[str, int]:
    """Return which active person each of these names is: user names or e-mail addresses, case-folded; one query. An
    address is its own account's, whoever has it as a user name."""
    spelled = User.objects.filter(is_active=True).annotate(address=Lower("email"), name=Lower("username"))
    rows = spelled.filter(Q(address__in=names) | Q(name__in=names)).values_list("pk", "address", "name")
    named = [(pk, address, name if "@" not in name else address) for pk, address, name in rows]
    names_wanted = set(names)
    return {name: pk for pk, *spellings in named for name in spellings if name in names_wanted}


ACCOUNTS_NAMED_SQL = r"""
with spelled as (
    select id, unnest(array[lower(email), lower(username)] || former_names) as name from approvals_user
    union select user_id, lower(email) from account_emailaddress where verified
)
select spelled.id, person.is_active and person.held_since is null,
       array_agg(distinct regexp_replace(name, '(.)\+[^@]*@', '\1@'))
from spelled join approvals_user person using (id)
where regexp_replace(name, '(.)\+[^@]*@', '\1@') = any(%s) group by spelled.id, person.is_active, person.held_since
"""


@dataclass(frozen=True, slots=True)
class Account:
    """An account that a patch names, and the names by which it does (as `policy.submitters.same` compares them). One is
    known that is active and not held: no administrator makes such a one alone."""

    id: int
    known: bool
    names: frozenset[str]


def accounts_named(values: Iterable[str]) -> list[Account]:
    """Return the accounts that these values name, by present and former names; one query, none for no values."""
    spellings = frozenset().union(*map(all_in, values))
    if not spellings:
        return []
    rows = query(ACCOUNTS_NAMED_SQL, [sorted(spellings)])
    return [Account(key, known, frozenset(names)) for key, known, names in rows]


def pseudonyms_of(usernames: Collection[str]) -> dict[str, str]:
    """Return, by user name, the pseudonyms of these people in the audit log; one query, none for nobody."""
    rows = User.objects.filter(username__in=usernames).values_list("username", "pk") if usernames else []
    return {username: f"user:{pk}" for username, pk in rows}


def why_not_a_name(name: str, email: str, but: int | None = None) -> str | None:
    """Return why an account, `but` or a new one, with this e-mail address may not have this user name."""
    people = [name for account in accounts_named([name]) if account.id != but for name in account.names]
    producers = Producer.objects.filter(name__iexact=name).values_list("name", flat=True)
    tokens = ApiToken.objects.filter(user=None, name__iexact=name).values_list("name", flat=True)
    if sentence := why_not_free(name, email, people, [*producers, *tokens]):
        return sentence
    other_accounts = User.objects.exclude(pk__in=[but] if but else []).values_list("username", "email")
    return why_not(name, (other for names in other_accounts for other in names if other))


def account_of(text: str) -> User | None:
    """Return the account that signs in under this user name or e-mail address."""
    return User.objects.filter(Q(email__iexact=text) | Q(username__iexact=text)).order_by("id").first()


def owners_of(address: str) -> list[User]:
    """Return the accounts with this e-mail address, as their own or as one that the provider verified."""
    verified = Q(emailaddress__email__iexact=address, emailaddress__verified=True)
    return list(User.objects.filter(Q(email__iexact=address) | verified).distinct().order_by("id"))


def comes_from_provider(user: User) -> bool:
    """Return whether this person may sign in at the single sign-on provider."""
    return bool(SocialAccount.objects.filter(user=user).exists())


def second_factors(user: User) -> set[str]:
    """Return which kinds of second factors a person has: totp, webauthn, recovery_codes."""
    return set(Authenticator.objects.filter(user=user).values_list("type", flat=True))


def tokens_of(user: User) -> QuerySet[ApiToken]:
    """Return a person's own tokens that are not revoked, the newest first."""
    return ApiToken.objects.filter(user=user, kind=TokenKind.PERSONAL, revoked_at=None).order_by("-id")


def named(text: str) -> QuerySet[User]:
    """Return the people that a filter's text matches: a user name, an e-mail address or a part of a full name."""
    full_name = Concat("first_name", Value(" "), "last_name")
    condition = Q(username__iexact=text) | Q(email__iexact=text) | Q(full_name__icontains=text)
    return User.objects.annotate(full_name=full_name).filter(condition)


def offered() -> list[tuple[str, str]]:
    """Return up to 100 reviewers, name and e-mail address, as suggestions while somebody types."""
    people = User.objects.filter(groups__permissions__codename="review_decision").order_by("first_name", "username")
    return [(str(user), user.email or user.username) for user in people.distinct()[:100]]


def memberships(user_ids: Collection[int]) -> list[Membership]:
    """Return the present memberships of those of these people who are active; one query, none for nobody."""
    return query(MEMBERSHIPS_SQL, [list(user_ids)]) if user_ids else []
