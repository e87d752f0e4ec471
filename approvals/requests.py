"""The request as our middleware hands it on: types for mypy alone, what arrives is Django's own."""

from django.http import HttpRequest
from django_htmx.middleware import HtmxDetails


class Request(HttpRequest):
    """What every view gets: its id and the caller's address (`RequestIdMiddleware`), and what htmx says of itself."""

    request_id: str
    client_ip: str | None
    htmx: HtmxDetails
