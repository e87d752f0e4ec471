"""Who calls (a bearer token or a signed-in person), what they may do, and how often."""

import hmac
import time
from dataclasses import dataclass, replace
from datetime import datetime
from math import ceil
from threading import Lock
from typing import Any, cast

from django.conf import settings
from django.http import HttpRequest
from django.utils import timezone
from ninja.errors import AuthenticationError
from ninja.security.base import AuthBase
from ninja.utils import check_csrf

from approvals.accounts.services.tokens import digest_of, touch_token
from approvals.actors import github, person_actor, token_actor
from approvals.adapters.github import is_signed
from approvals.errors import Invalid, NotAllowed, TooMany
from approvals.models import EXTRA_SCOPES, SCOPES, ApiToken, Producer, TokenKind, User
from approvals.permissions import (
    COMMENT_DECISION,
    LEAD_DECISION,
    REVIEW_DECISION,
    VIEW_ANALYTICS,
    VIEW_DECISION,
    VIEW_DIFF,
    VIEW_ENTRY,
)
from approvals.policy.rules import Reviewer
from approvals.policy.visible_fields import Reader, reader_among
from approvals.queries.people import reviewer_from_db, reviewer_shown
from approvals.queries.tokens import token_of
from approvals.requests import Request
from approvals.services.refusals import audit_refused_caller
from audit.log import Actor
from postgresql.replica import PRIMARY, reading_from

SCOPE_PERMISSIONS = {
    "patches:cancel": LEAD_DECISION,
    "decisions:read": VIEW_DECISION,
    "diffs:read": VIEW_DIFF,
    "audit:read": VIEW_ENTRY,
    "analytics:read": VIEW_ANALYTICS,
    "metrics:read": VIEW_ANALYTICS,
    "comments:write": COMMENT_DECISION,
}
"""What a person's groups must allow for what a machine's scope allows."""

GROUP_SENTENCES = {
    REVIEW_DECISION: "Only reviewers and security leads decide; your groups do not include either.",
    LEAD_DECISION: "Only security leads do this; your groups do not include them.",
}

LEGACY_PATH = "/hitl/admin/create-decision"  # the reference API's callers send X-Admin-Token there, and only there
BURST = 1_000
MOST_CALLERS = 10_000  # whose share one process remembers before it forgets those who have theirs again
BULK_LINES_PER_MINUTE = 60_000


@dataclass(frozen=True, slots=True)
class Caller:
    """The authenticated caller of a request; `request.auth`."""

    actor: Actor
    scopes: frozenset[str]
    user: User | None = None
    person: Reviewer | None = None
    producer: Producer | None = None
    token: ApiToken | None = None

    def may(self, scope: str) -> bool:
        return scope in self.scopes

    def reader_of(self, producer_id: int) -> Reader:
        """Return which reader of `policy.visible_fields` the caller is of this producer's patches."""
        if self.person:
            return reader_among(self.person.permissions)
        if self.producer:
            return Reader.OWN_PRODUCER if self.owns(producer_id) else Reader.OTHER_PRODUCER
        if not self.may("diffs:read"):
            return Reader.NARROWED
        return Reader.DEPLOYER if self.token and self.token.kind == TokenKind.DEPLOYER else Reader.AUDITOR

    @property
    def reader_of_others(self) -> Reader:
        """Return which reader the caller is of patches that are not its own."""
        return Reader.OTHER_PRODUCER if self.producer else self.reader_of(0)

    def owns(self, producer_id: int) -> bool:
        return self.producer is not None and self.producer.pk == producer_id

    def check_identity(self, user: str | None) -> None:
        """Refuse a body that names somebody else as the person acting (the reference API's callers send `user`)."""
        if user is None:
            return
        mine = {self.user.username.casefold(), self.user.email.casefold()} if self.user else set()
        if user.casefold() not in mine:
            raise Invalid(
                "`user` must be the person whose session or token this is.",
                field="user",
                part="body",
                msg="is not the caller",
            )


class ApiRequest(Request):
    """The request that a route gets: `Needs` put the caller on it."""

    auth: Caller
    caller_id: str  # for the request's line in the log


class Bucket:
    """Token buckets of this process, one a caller: `rate` requests a minute, up to BURST at once; 0 means no limit."""

    def __init__(self, rate: int) -> None:
        self.rate = rate
        self.burst = min(BURST, rate)
        self.levels: dict[str, tuple[float, float]] = {}
        self.lock = Lock()

    def take(self, key: str, amount: int = 1) -> None:
        """Raise TooMany if the share is used up. More than the bucket holds needs a full one and leaves a debt."""
        if not self.rate:
            return
        now = time.monotonic()
        with self.lock:
            level, at = self.levels.get(key, (float(self.burst), now))
            level = min(self.burst, level + (now - at) * self.rate / 60)
            enough = level >= min(amount, self.burst)
            self.levels[key] = (level - amount if enough else level, now)
            if len(self.levels) > MOST_CALLERS:
                self._forget(now)
        if not enough:
            wait = ceil((min(amount, self.burst) - level) * 60 / self.rate)
            raise TooMany(f"This caller may send {self.rate:,} a minute.", retry_after=wait)

    def _forget(self, now: float) -> None:
        """Forget callers whose buckets are full again: a new bucket would be the same."""
        full = [key for key, (level, at) in self.levels.items() if level + (now - at) * self.rate / 60 >= self.burst]
        for key in full:
            del self.levels[key]


requests = Bucket(settings.RATE_LIMIT_REQUESTS_PER_MINUTE)
bulk_lines = Bucket(BULK_LINES_PER_MINUTE if settings.RATE_LIMIT_REQUESTS_PER_MINUTE else 0)


def count(request: HttpRequest, caller: Caller) -> None:
    """Count a request against its caller's share, once, whoever asks first. Raise TooMany."""
    if not getattr(request, "is_counted", False):
        requests.take(caller.actor.id)
        request.is_counted = True  # type: ignore[attr-defined]


class Needs(AuthBase):
    """Ninja's auth of a route: finds the caller and demands a scope, so that 403 comes before 422."""

    openapi_type = "http"
    openapi_scheme = "bearer"

    def __init__(self, scope: str | None = None) -> None:
        self.scope = scope
        super().__init__()

    def __call__(self, request: HttpRequest) -> Caller:
        with reading_from(PRIMARY):  # a replica does not know yet that a token was revoked
            caller = identify(request)
        cast(ApiRequest, request).caller_id = caller.actor.id
        count(request, caller)
        if self.scope and not caller.may(self.scope):
            raise NotAllowed(f"This needs the scope {self.scope}, {_lacking(self.scope, caller)}")
        return caller


def _lacking(scope: str, caller: Caller) -> str:
    """Return why a caller does not have a scope, and for a machine's token what to do about it."""
    if caller.token is None or caller.token.kind == TokenKind.PERSONAL:
        return "which the caller does not have."
    kind = caller.token.kind
    if scope in (*SCOPES[kind], *EXTRA_SCOPES):
        return (
            "which this token was not issued with. A token's scopes never change: ask an administrator for a new "
            f"{kind} token with that scope, and let this one be revoked."
        )
    others = " or ".join(str(other) for other, scopes in SCOPES.items() if scope in scopes)
    return f"which no {kind} token can have: ask an administrator for a token of kind {others}."


class NeedsProducer(Needs):
    """The auth of intake: a scope that people never have, and a producer whose patches they are."""

    def __call__(self, request: HttpRequest) -> Caller:
        caller = super().__call__(request)
        if caller.producer is None:
            raise NotAllowed("Only a producer token pushes patches.")
        return caller


class NeedsPerson(Needs):
    """The auth of what only people do, whatever a token's scopes say: those whose groups give the permission."""

    def __init__(self, permission: str) -> None:
        self.permission = permission
        super().__init__()

    def __call__(self, request: HttpRequest) -> Caller:
        caller = super().__call__(request)
        if why := self._refusal(caller):
            route = request.resolver_match.route if request.resolver_match else ""
            audit_refused_caller(route, request.path, why, actor=caller.actor, now=timezone.now())
            raise NotAllowed(why)
        return caller

    def _refusal(self, caller: Caller) -> str | None:
        if caller.person is None:
            return "A machine token never decides; only people approve, reject or request changes."
        if caller.token and caller.token.scopes:
            return "This personal token is narrowed to its scopes, and no scope decides."
        return None if self.permission in caller.person.permissions else GROUP_SENTENCES[self.permission]


class SignedByGitHub(AuthBase):
    """The auth of GitHub's webhook: who has the secret that the body is signed with."""

    openapi_type = "http"
    openapi_scheme = "bearer"

    def __call__(self, request: HttpRequest) -> Caller:
        if not settings.GITHUB_WEBHOOK_SECRET:
            raise AuthenticationError(401, "GitHub is not expected here: GITHUB_WEBHOOK_SECRET is not set.")
        if not is_signed(request.body, request.headers.get("X-Hub-Signature-256", "")):
            raise AuthenticationError(401, "X-Hub-Signature-256 is missing, or is not that of this body.")
        caller = Caller(actor=github(request), scopes=frozenset())
        cast(ApiRequest, request).caller_id = caller.actor.id
        count(request, caller)
        return caller


def identify(request: HttpRequest) -> Caller:
    """Return the caller. An Authorization header counts alone: a wrong token never falls back to a session."""
    if request.headers.get("Authorization"):
        return by_token(request)
    if request.path == LEGACY_PATH and (legacy := request.headers.get("X-Admin-Token")):
        return _by_token(request, legacy.strip(), timezone.now())
    if request.user.is_authenticated:
        if check_csrf(request):  # a cookie is sent by any page that makes the browser ask; only ours add the token
            raise NotAllowed("The CSRF token is missing or wrong.")
        return _by_session(request, request.user)
    raise AuthenticationError(401, "Sign in or send a bearer token.")


def by_token(request: HttpRequest) -> Caller:
    """Return the caller of a request that must carry a bearer token; raise AuthenticationError without a valid one."""
    scheme, _, secret = request.headers.get("Authorization", "").partition(" ")
    if scheme.lower() != "bearer":
        raise AuthenticationError(401, "Send `Authorization: Bearer hitl_…`.")
    return _by_token(request, secret.strip(), timezone.now())


def _by_token(request: HttpRequest, secret: str, now: datetime) -> Caller:
    parts = secret.split("_", 2)
    token = None
    if len(parts) == 3 and parts[0] == "hitl":
        token = token_of(parts[1][:8])
    # Compared even when there is no such token, so that time tells nothing about prefixes.
    good = hmac.compare_digest(token.digest if token else "0" * 64, digest_of(secret))
    if token is None or not good:
        raise AuthenticationError(401, "This token is not known.")
    if token.revoked_at or (token.expires_at and token.expires_at <= now):
        raise AuthenticationError(401, "This token has expired or was revoked.")
    touch_token(token, now)
    if token.kind == TokenKind.PERSONAL:
        assert token.user is not None
        return _by_personal_token(request, token, token.user)
    return Caller(
        actor=token_actor(request, token), scopes=frozenset(token.scopes), producer=token.producer, token=token
    )


def _by_personal_token(request: HttpRequest, token: ApiToken, user: User) -> Caller:
    if not user.is_active:
        raise AuthenticationError(401, "This person's account is switched off.")
    who = reviewer_from_db(user, "token")
    if token.scopes:  # none is issued with scopes; an old one may do what they name and the person may, nothing else
        named = {SCOPE_PERMISSIONS[scope] for scope in token.scopes if scope in SCOPE_PERMISSIONS}
        who = replace(who, permissions=who.permissions & named)
    return Caller(actor=person_actor(request, user, "token"), scopes=_scopes(who), user=user, person=who, token=token)


def _by_session(request: HttpRequest, user: Any) -> Caller:
    who = reviewer_shown(user)
    return Caller(actor=person_actor(request, user), scopes=_scopes(who), user=user, person=who)


def _scopes(who: Reviewer) -> frozenset[str]:
    return frozenset(scope for scope, wanted in SCOPE_PERMISSIONS.items() if wanted in who.permissions)
