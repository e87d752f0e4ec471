"""What every request passes: its id and log line, the right error format for machines, the reader's time zone."""

import logging
import re
import time
import uuid
from collections.abc import Callable
from ipaddress import ip_address
from typing import ClassVar
from zoneinfo import ZoneInfo

from csp.constants import HEADER
from csp.utils import build_policy
from django.conf import settings
from django.contrib.auth import logout
from django.contrib.sessions.middleware import SessionMiddleware as DjangoSessionMiddleware
from django.db import OperationalError, connection
from django.http import HttpRequest, HttpResponse, HttpResponseNotAllowed, UnreadablePostError
from django.http.response import HttpResponseBase
from django.shortcuts import redirect
from django.utils import timezone
from django.utils.cache import patch_vary_headers
from ninja.errors import AuthenticationError

from approvals.accounts import sessions
from approvals.accounts.services import sign_ins
from approvals.actors import person_actor
from approvals.api import caller
from approvals.api.problems import invalid, problem, refused
from approvals.errors import NotAllowed, Refusal
from approvals.models import User
from approvals.queries.people import second_factors
from approvals.requests import Request
from approvals.services import idempotency
from approvals.views.errors import database_away
from hitl import ops, trace_context
from hitl.bodies import BROKEN_OFF, MACHINE_PATHS
from hitl.logs import request_id
from hitl.request_lines import write_line

log = logging.getLogger("hitl.request")

Handler = Callable[[HttpRequest], HttpResponseBase]
INBOUND_ID = re.compile(r"[A-Za-z0-9-]{1,64}")
ECHOES = {"TRACE", "CONNECT"}  # methods of proxies: nobody here gets a request back or through
PAGE_METHODS = ["GET", "HEAD", "POST", "OPTIONS"]
"""What pages know. Form views of libraries would take PUT and DELETE for POST, past what looks at POST alone."""


class RequestIdMiddleware:
    """Give the request an id (a good inbound one is kept), the caller's address, its trace, and a line at its end."""

    def __init__(self, get_response: Handler) -> None:
        self.get_response = get_response

    def __call__(self, request: Request) -> HttpResponseBase:
        inbound = request.headers.get("X-Request-ID", "")
        current = inbound if INBOUND_ID.fullmatch(inbound) else uuid.uuid4().hex
        request.request_id, request.client_ip = current, client_ip(request)
        if not from_trusted_proxy(request):
            request.META.pop("HTTP_X_FORWARDED_PROTO", None)  # SECURE_PROXY_SSL_HEADER believes whoever sends it
        token = request_id.set(current)
        started = time.monotonic()
        try:
            with trace_context.following(request.META):
                response = HttpResponse(status=405) if request.method in ECHOES else self.get_response(request)
                response["X-Request-ID"] = current
                _keep_private(request, response)
                write_line(request, response, started)
            return response
        finally:
            request_id.reset(token)


NOTHING = "default-src 'none'; object-src 'none'; frame-ancestors 'none'; base-uri 'none'"


def _keep_private(request: HttpRequest, response: HttpResponseBase) -> None:
    """Let nobody keep an answer that is for one reader, or take one for something else than it says it is."""
    if not request.path.startswith("/static/"):
        response.headers.setdefault("Cache-Control", "no-store")
    response.headers.setdefault("X-Content-Type-Options", "nosniff")
    response.headers.setdefault("Cross-Origin-Resource-Policy", "same-origin")
    if settings.SECURE_HSTS_SECONDS:  # also where the proxy does not say that it was asked by https
        below = "; includeSubDomains" if settings.SECURE_HSTS_INCLUDE_SUBDOMAINS else ""
        response.headers.setdefault("Strict-Transport-Security", f"max-age={settings.SECURE_HSTS_SECONDS}{below}")
    if not settings.DEBUG:  # whose error pages need more
        response.headers.setdefault(HEADER, NOTHING)


class ContentPolicyMiddleware:
    """Add CONTENT_SECURITY_POLICY to answers without a policy. It is built once, for none of ours has a nonce, and
    `views.notice_templates` says its exceptions itself; django-csp's own middleware builds it anew for each answer."""

    def __init__(self, get_response: Handler) -> None:
        self.get_response, self.policy = get_response, build_policy()

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        response = self.get_response(request)
        if not (settings.DEBUG and response.status_code in {404, 500}):  # whose pages have style of their own
            response.headers.setdefault(HEADER, self.policy)
        return response


class ProbeMiddleware:
    """Answer the machines that run this before the host is checked: they ask by address, not by name."""

    probes: ClassVar[dict[str, Callable[[HttpRequest], HttpResponse]]] = {
        "/healthz": ops.healthz,
        "/readyz": ops.readyz,
        "/health": ops.health,
        "/metrics": ops.metrics,
    }

    def __init__(self, get_response: Handler) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        probe = self.probes.get(request.path)
        return probe(request) if probe else self.get_response(request)


def client_ip(request: HttpRequest) -> str | None:
    """Return the caller's address; a forwarded one counts only when a trusted proxy says it."""
    addresses = [request.META.get("REMOTE_ADDR") or ""]
    addresses += reversed([part.strip() for part in request.headers.get("X-Forwarded-For", "").split(",") if part])
    known = None
    for text in addresses:
        try:
            address = ip_address(text)
        except ValueError:
            return known
        known = str(address)
        if not any(address in network for network in settings.TRUSTED_PROXIES):
            return known
    return known


def from_trusted_proxy(request: HttpRequest) -> bool:
    """Tell whether the peer itself is one of TRUSTED_PROXIES."""
    try:
        peer = ip_address(request.META.get("REMOTE_ADDR") or "")
    except ValueError:
        return False
    return any(peer in network for network in settings.TRUSTED_PROXIES)


class ProblemMiddleware:
    """Answer machines in problem+json where Django itself would answer in HTML; map a lost database to 503. Pages take
    no methods but theirs."""

    def __init__(self, get_response: Handler) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        if not request.path.startswith(MACHINE_PATHS):
            known = request.method in PAGE_METHODS
            return self.get_response(request) if known else HttpResponseNotAllowed(PAGE_METHODS)
        if request.method == "OPTIONS" and request.headers.get("Origin"):
            return self._allow_origin(request, HttpResponse(status=204))
        refused = self._refusal(request)
        response = refused or self._translate(self._answer(request))
        return self._allow_origin(request, response)

    def _answer(self, request: HttpRequest) -> HttpResponseBase:
        """Answer HEAD as GET, whose head it wants; a stream is let go, for nobody reads it."""
        if request.method != "HEAD":
            return self.get_response(request)
        request.method = "GET"
        try:
            response = self.get_response(request)
        finally:
            request.method = "HEAD"
        if not response.streaming:
            return response
        response.close()
        return HttpResponse(status=response.status_code, headers=dict(response.items()))

    def process_exception(self, request: HttpRequest, error: Exception) -> HttpResponse | None:
        if not isinstance(error, OperationalError):
            return None
        log.error("The database did not answer", exc_info=error)
        connection.close()
        return database_away(request, error)

    def _refusal(self, request: HttpRequest) -> HttpResponse | None:
        if "\x00" in request.path:
            return problem(404, "There is nothing here.")
        if "%00" in request.META.get("QUERY_STRING", ""):  # PostgreSQL text cannot hold it
            named = [name for name, values in request.GET.lists() if "\x00" in name + "".join(values)]
            errors = [{"loc": ["query", name.replace("\x00", "")], "msg": "contains a NUL character"} for name in named]
            if errors:
                return invalid(errors)
        return None

    def process_view(self, request: HttpRequest, view: object, args: object, kwargs: object) -> HttpResponse | None:
        """Look at the body's form only where there is somebody to read it: an unknown address stays a 404."""
        if not request.path.startswith(MACHINE_PATHS) or request.method != "POST":
            return None
        wanted = "application/x-ndjson" if request.path == "/hitl/patches/bulk" else "application/json"
        if request.content_type != wanted:
            return problem(415, f"Send the body as {wanted}.")
        return None

    def _translate(self, response: HttpResponseBase) -> HttpResponseBase:
        if response.status_code < 400 or "json" in response.get("Content-Type", ""):
            return response
        sentences = {
            400: "The request is not one that can be read.",
            403: "That is not allowed.",
            404: "There is nothing here.",
            405: "This address does not take that method.",
            413: "A body may have 8 MiB.",
            503: "The database did not answer. Try again: nothing is recorded twice.",
        }
        answer = problem(response.status_code, sentences.get(response.status_code, "Something broke on our side."))
        for kept in ("Allow", "Retry-After"):
            if value := response.get(kept):
                answer[kept] = value.replace("GET", "GET, HEAD") if kept == "Allow" else value
        return answer

    def _allow_origin(self, request: HttpRequest, response: HttpResponseBase) -> HttpResponseBase:
        """CORS for the listed origins: bearer tokens only, never cookies."""
        origin = request.headers.get("Origin", "")
        if origin and origin in settings.CORS_ORIGINS:
            response["Access-Control-Allow-Origin"] = origin
            response["Access-Control-Allow-Methods"] = "GET, POST"
            response["Access-Control-Allow-Headers"] = "Authorization, Content-Type, Idempotency-Key, X-Request-ID"
            response["Access-Control-Expose-Headers"] = "X-Total-Count, Link, Location, Retry-After, X-Request-ID"
        response["Vary"] = ", ".join(filter(None, [response.get("Vary", ""), "Origin"]))
        return response


class SessionMiddleware(DjangoSessionMiddleware):
    """Django's, but a key that is unknown takes no cookie away: a page may ask something under its old key while a
    step-up gives the session a new one, and the later answer would sign its person out."""

    def process_response(self, request: HttpRequest, response: HttpResponse) -> HttpResponse:
        if request.session.is_empty() and not request.session.modified:
            patch_vary_headers(response, ("Cookie",))
            return response
        return super().process_response(request, response)


class SessionLimitsMiddleware:
    """End sessions nobody used for SESSION_IDLE_MINUTES, and each after SESSION_ABSOLUTE_HOURS, with an entry."""

    def __init__(self, get_response: Handler) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        if request.user.is_authenticated and (why := sessions.over_limit(request, timezone.now())):
            actor = person_actor(request, request.user)
            sign_ins.record_sign_out(request.user, why, actor=actor, now=timezone.now())
            logout(request)
        return self.get_response(request)


class SecondFactorMiddleware:
    """With SECOND_FACTOR_REQUIRED, let people who have no second factor reach nothing but their account, to add one.

    Of who comes from the provider its word counts, where it says that it asked for two. Tokens are made with a factor
    at hand (`accounts.views.account_page`).
    """

    def __init__(self, get_response: Handler) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        if not self._lacks_factor(request):
            return self.get_response(request)
        if request.path.startswith(MACHINE_PATHS):
            return problem(403, "This install asks for a second factor: add one on your account page.")
        return redirect("mfa_index")

    def _lacks_factor(self, request: HttpRequest) -> bool:
        if not settings.SECOND_FACTOR_REQUIRED:
            return False
        if request.headers.get("Authorization") and request.path.startswith(MACHINE_PATHS):
            return False  # there it counts alone; pages go by the session, whatever else is sent
        if request.path.startswith("/accounts/") or not isinstance(request.user, User):
            return False
        return not sessions.gave_two_factors(request) and not second_factors(request.user)


class TimeZoneMiddleware:
    """Show times in the signed-in person's own zone."""

    def __init__(self, get_response: Handler) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        if request.user.is_authenticated and not request.path.startswith(MACHINE_PATHS):
            timezone.activate(ZoneInfo(request.user.time_zone))
            try:
                return self.get_response(request)
            finally:
                timezone.deactivate()
        return self.get_response(request)


NOT_KEPT = {401, 403, 404, 422, 429}  # nothing was changed, and a retry may get another answer


class IdempotencyMiddleware:
    """Answer a retried POST under the same `Idempotency-Key` as the first time, for a day.

    Not on bulk: its answers are as large as its bodies, and its documents are idempotent by themselves.
    """

    def __init__(self, get_response: Handler) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        key = request.headers.get("Idempotency-Key", "")
        wanted = key and request.method == "POST" and request.path.startswith(MACHINE_PATHS)
        if not wanted or request.path.endswith("/bulk") or _too_big(request):
            return self.get_response(request)
        try:
            asking = caller.identify(request)
        except (AuthenticationError, NotAllowed):
            return self.get_response(request)  # which says so, in the order of all refusals
        try:
            caller.count(request, asking)  # before a row is written for it
            kept = idempotency.claim(asking.actor.id, request.path, key, request.body, timezone.now())
        except UnreadablePostError:
            return problem(400, BROKEN_OFF)
        except Refusal as error:
            return refused(error)
        if kept.status is not None:
            answer = HttpResponse(bytes(kept.body), status=kept.status, content_type=kept.content_type)
            if kept.location:
                answer["Location"] = kept.location
            answer["Idempotent-Replayed"] = "true"
            return answer
        response = None
        try:
            response = self.get_response(request)
        finally:
            idempotency.settle(kept, _to_keep(response), timezone.now())
        return response


def _to_keep(response: HttpResponseBase | None) -> idempotency.Answer | None:
    """Return what a retry is to get again; None where nothing was changed and a retry may get another answer."""
    if not isinstance(response, HttpResponse) or response.status_code >= 500 or response.status_code in NOT_KEPT:
        return None
    content_type, location = response.get("Content-Type", ""), response.get("Location", "")
    return idempotency.Answer(response.status_code, content_type, location, response.content)


def _too_big(request: HttpRequest) -> bool:
    """Return whether the body says so itself; one that does not is refused while it is read."""
    length = request.headers.get("Content-Length") or "0"
    return not length.isdecimal() or int(length) > settings.DATA_UPLOAD_MAX_MEMORY_SIZE
