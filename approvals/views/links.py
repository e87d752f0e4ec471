"""Addresses that keep the page's filters."""

from typing import Any

from django.http import HttpRequest
from django.urls import reverse

from approvals.queries.keyset import Page


def with_parameters(request: HttpRequest, **changes: str) -> str:
    """Return this address with parameters set ('' removes one), on its first page unless `cursor` itself is set."""
    query = request.GET.copy()
    query.pop("cursor", None)
    for name, value in changes.items():
        query.pop(name, None)
        if value:
            query[name] = value
    return f"{request.path}?{query.urlencode()}" if query else request.path


def queue_address(request: HttpRequest, **changes: str) -> str:
    """Return the queue's first page under this request's filters, from whichever address was asked."""
    query = request.GET.copy()
    for name in ("cursor", "since", "id"):
        query.pop(name, None)
    for name, value in changes.items():
        query.pop(name, None)
        if value:
            query[name] = value
    return f"{reverse('queue')}?{query.urlencode()}" if query else reverse("queue")


def page_urls(request: HttpRequest, shown: Page[Any]) -> dict[str, str | None]:
    """Return the addresses of the pages before and after."""
    return {
        "next_url": with_parameters(request, cursor=shown.next) if shown.next else None,
        "previous_url": with_parameters(request, cursor=shown.previous) if shown.previous else None,
    }
