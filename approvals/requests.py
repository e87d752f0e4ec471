"""The request as our middleware hands it on: types for mypy alone, what arrives is Django's own; and what goes on from
it to whoever is asked on its behalf."""

from collections.abc import Mapping
from contextvars import ContextVar

from django.http import HttpRequest
from django_htmx.middleware import HtmxDetails

trace_headers: ContextVar[Mapping[str, str]] = ContextVar("trace_headers")
"""The trace that the request in progress is part of, as headers (W3C Trace Context)."""


class Request(HttpRequest):
    """What every view gets: its id and the caller's address (`RequestIdMiddleware`), and what htmx says of itself."""

    request_id: str
    client_ip: str | None
    htmx: HtmxDetails
