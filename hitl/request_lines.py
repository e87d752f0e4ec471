"""The log line of each request: what was asked by its route, what became of it and who asked, by pseudonym; never an
address with its names, secrets and query."""

import logging
import time

from django.conf import settings
from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.urls import Resolver404, resolve

from approvals.models import User
from approvals.requests import Request

log = logging.getLogger("hitl.request")

PROBES = {"/healthz", "/readyz", "/health", "/metrics"}
STATIC = f"/{settings.STATIC_URL.strip('/')}/"
ELSEWHERE = "(unknown)"


def write_line(request: Request, response: HttpResponseBase, started: float) -> None:
    """Log one request that began at `started`, on the monotonic clock, as LOG_REQUESTS asks for."""
    if settings.LOG_REQUESTS == "false" or settings.LOG_REQUESTS == "true" and is_quiet(request):
        return
    fields = {
        "method": request.method,
        "route": route_of(request),
        "status": response.status_code,
        "milliseconds": round((time.monotonic() - started) * 1000, 1),
        "client_ip": request.client_ip,
    }
    if caller := _caller_of(request):
        fields["caller"] = caller
    log.info("%s %s %s", request.method, fields["route"], response.status_code, extra={"fields": fields})


def is_quiet(request: HttpRequest) -> bool:
    """Return whether machines ask this all the time, or browsers beside a page."""
    return request.path in PROBES or request.path.startswith(STATIC)


def route_of(request: HttpRequest) -> str:
    """Return the pattern of the address that answers a request, such as `/patches/<uuid:decision_id>`."""
    if request.path in PROBES:
        return request.path
    if request.path.startswith(STATIC):
        return STATIC
    match = request.resolver_match
    if match is None:  # answered before the address was looked at, or there is no such address
        try:
            match = resolve(request.path_info)
        except Resolver404:
            return ELSEWHERE
    return "/" + match.route.removeprefix(API_PREFIX)


API_PREFIX = "^(?=hitl/|api/)"  # of hitl.urls


def _caller_of(request: HttpRequest) -> str:
    """Return who asked, as entries name them, where that is known by now; '' else: a line asks no database."""
    user = getattr(request, "_cached_user", None)  # what AuthenticationMiddleware has found
    known = f"user:{user.pk}" if isinstance(user, User) else ""
    return getattr(request, "caller_id", known)
