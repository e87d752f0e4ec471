"""What a browser's session stores about its person: when they proved who they are, and drafts they have not sent."""

import re
from datetime import UTC, datetime
from typing import Any, TypedDict
from uuid import UUID

from allauth.account.authentication import AUTHENTICATION_METHODS_SESSION_KEY, get_authentication_records
from allauth.account.internal.flows.login import record_authentication
from django.conf import settings
from django.contrib.auth import update_session_auth_hash
from django.contrib.sessions.backends import db
from django.http import HttpRequest
from django.utils import timezone
from django.utils.crypto import constant_time_compare

from approvals.models import User
from approvals.policy.rules import FRESH
from postgresql.statements import query_prepared

from .services import identity

LOAD_SQL = "select session_data from django_session where session_key = %s and expire_date > %s"
DRAFT, VIEW_NAME = "words_not_sent", "view_not_saved"
LOGIN_BEGUN = "login_begun"
BEGAN, SEEN = "began_at", "seen_at"  # seconds since 1970
TICK = 60  # seconds: a busy page must not write its session at each request
BACKGROUND = re.compile(r"^/hitl/events$|^/(?:cards|counts|inbox/bell)$|/(?:panel|presence)$")
"""Requests that open pages make by themselves; they keep no session alive, because nobody may be there."""


class SessionStore(db.SessionStore):
    """Django's sessions in the database, read by plain SQL, because every request of a person reads one."""

    def load(self) -> dict[str, Any]:
        rows = query_prepared(LOAD_SQL, [self.session_key, timezone.now()])
        if not rows:
            self._session_key = None
            return {}
        [[data]] = rows
        return dict(self.decode(data))


def over_limit(request: HttpRequest, now: datetime) -> str:
    """Return why this session is over; otherwise return '' and save that its person was there.

    A session older than these limits begins with its first request.
    """
    session, seconds = request.session, int(now.timestamp())
    began, seen = session.get(BEGAN, seconds), session.get(SEEN, seconds)
    if seconds - began >= settings.SESSION_ABSOLUTE_HOURS * 3600:
        return "the longest time of a session was over"
    if seconds - seen >= settings.SESSION_IDLE_MINUTES * 60:
        return "nobody used it"
    if SEEN not in session or (seconds - seen >= TICK and not BACKGROUND.search(request.path)):
        session[BEGAN], session[SEEN] = began, seconds
        identity.seen(session.session_key, now)
    return ""


def remember_password(request: HttpRequest, user: User) -> None:
    """Record in the session that its person just gave their password again."""
    record_authentication(request, user, method="password", reauthenticated=True)


def remember_factor(request: HttpRequest, user: User) -> None:
    """Record in the session that its person just gave a code or used a security key: the one that they added."""
    record_authentication(request, user, method="mfa", reauthenticated=True)


def renew_key(request: HttpRequest) -> None:
    """Give a session a new key once its person proved who they are; somebody who knows the old key has not."""
    old_key = request.session.session_key
    request.session.cycle_key()
    identity.session_renamed(old_key, request.session.session_key)


def remember_begun(request: HttpRequest, user: User) -> None:
    """Keep with a sign-in that may wait for its second factor what every session of its person depends on."""
    request.session[LOGIN_BEGUN] = user.get_session_auth_hash()


def is_as_begun(request: HttpRequest, user: User) -> bool:
    """Return whether a session begun when this sign-in was would still be valid: since then its person got no other
    password and did not sign out everywhere. Forget it."""
    return constant_time_compare(request.session.pop(LOGIN_BEGUN, ""), user.get_session_auth_hash())


def keep_session(request: HttpRequest, user: User) -> None:
    """Keep this session valid, under a new key, after its person changed their password; their others end."""
    old_key = request.session.session_key
    update_session_auth_hash(request, user)
    identity.session_renamed(old_key, request.session.session_key)
    remember_password(request, user)


def remember_provider(request: HttpRequest, asked_at: float | None, two_factors: bool) -> None:
    """Record when the provider says that it last authenticated this person (`auth_time`, seconds; OpenID Connect Core
    2), and whether it says that it asked for two factors.

    The provider may have answered from a session of its own, of any age; without a time the sign-in proves nothing.
    """
    records = list(request.session.get(AUTHENTICATION_METHODS_SESSION_KEY, ()))
    for record in records:
        if record["method"] == "socialaccount":
            record["at"] = 0 if asked_at is None else min(record["at"], asked_at)
            record["two_factors"] = two_factors
    request.session[AUTHENTICATION_METHODS_SESSION_KEY] = records


def authenticated_at(request: HttpRequest) -> datetime | None:
    """Return when this session's person last proved who they are; None where the session does not say.

    Each password, second factor and sign-in at the provider counts.
    """
    records = _records(request)
    return datetime.fromtimestamp(max(record["at"] for record in records), UTC) if records else None


def factor_at(request: HttpRequest) -> datetime | None:
    """Return when this session's person last gave a code or used a security key; None where they did not."""
    times = [record["at"] for record in _records(request) if record["method"] == "mfa"]
    return datetime.fromtimestamp(max(times), UTC) if times else None


class ProofTimes(TypedDict):
    """When a session's person last proved who they are, by anything and by a second factor."""

    authenticated_at: datetime | None
    factor_at: datetime | None


def proof_times(request: HttpRequest) -> ProofTimes:
    """Return both times, as the rules expect them."""
    return {"authenticated_at": authenticated_at(request), "factor_at": factor_at(request)}


def is_fresh(request: HttpRequest, now: datetime) -> bool:
    """Return whether this session's person proved who they are within the last five minutes."""
    return _within(authenticated_at(request), now)


def is_factor_fresh(request: HttpRequest, now: datetime) -> bool:
    """Return whether they gave a code or used a security key within the last five minutes."""
    return _within(factor_at(request), now)


def _within(at: datetime | None, now: datetime) -> bool:
    return at is not None and now - FRESH <= at <= now


def gave_two_factors(request: HttpRequest) -> bool:
    """Return whether this session began with a second factor, here or, as it says, at the provider."""
    return any(record["method"] == "mfa" or record.get("two_factors") for record in _records(request))


def methods(request: HttpRequest) -> list[str]:
    """Return how this session's person proved who they are, in order: password, mfa, socialaccount."""
    return [record["method"] for record in _records(request)]


def save_draft(request: HttpRequest, decision_id: UUID, **typed: Any) -> None:
    """Save what was typed and chosen about one decision, by form field, while its person proves who they are."""
    if any(typed.values()):
        request.session[DRAFT] = {"decision": str(decision_id), **typed}


def pop_draft(request: HttpRequest, decision_id: UUID) -> dict[str, Any]:
    """Remove and return the draft for this decision, by form field; an empty dictionary if there is none."""
    draft = request.session.get(DRAFT) or {}
    if draft.get("decision") != str(decision_id):
        return {}
    del request.session[DRAFT]
    return {name: value for name, value in draft.items() if name != "decision"}


def save_view_name(request: HttpRequest, name: str, sentence: str) -> None:
    """Save the refused name of a saved view, and why it was refused, for the next page of the queue."""
    request.session[VIEW_NAME] = {"name": name[:200], "why": sentence}


def pop_view_name(request: HttpRequest) -> dict[str, str] | None:
    """Remove and return the refused `name` and `why` it was refused; None if there is none."""
    refused: dict[str, str] | None = request.session.pop(VIEW_NAME, None)
    return refused


def carry_drafts(request: HttpRequest) -> None:
    """Copy the draft to the request before its session ends, because its person comes back from the provider."""
    request.words_not_sent = request.session.get(DRAFT)  # type: ignore[attr-defined]


def restore_drafts(request: HttpRequest) -> None:
    """Put a carried draft into the session that follows."""
    if draft := getattr(request, "words_not_sent", None):
        request.session[DRAFT] = draft


def _records(request: HttpRequest) -> list[dict[str, Any]]:
    records: list[dict[str, Any]] = get_authentication_records(
        request, request.user if isinstance(request.user, User) else None
    )
    return records
