"""The list somebody came to a patch from: its patches lead to each other in its order, and back to it.

Addresses carry it as `list`, so that each tab keeps its own; without the parameter it is the whole queue.
"""

from datetime import datetime
from typing import Any
from urllib.parse import urlencode, urlsplit
from uuid import UUID

from django.http import HttpRequest, QueryDict
from django.urls import reverse

from approvals.forms import SHARES, QueueForm
from approvals.models import Decision
from approvals.queries.people import reviewer_shown
from approvals.queries.queue import Around, around

from .access import came_from, user_of

NAME = "list"
LONGEST = 2_000  # characters; a longer query is no list of ours


def filters_of(request: HttpRequest) -> str:
    """Return the filters and the order of the list, '' for the whole queue; where in it a page began does not matter.

    A form belongs to the list it names, else to the list of the page that sent it.
    """
    if NAME in request.POST:
        return _kept(QueryDict(request.POST[NAME][:LONGEST]))
    page = urlsplit(came_from(request) if request.method == "POST" else request.get_full_path())
    asked = QueryDict(page.query[: 4 * LONGEST])  # quoted once more than the list itself
    if page.path != reverse("queue"):
        asked = QueryDict(asked.get(NAME, "")[:LONGEST])
    return _kept(asked)


def _kept(asked: QueryDict) -> str:
    query = QueryDict(mutable=True)
    for name in (*QueueForm.base_fields, *SHARES):
        query.setlist(name, [value for value in asked.getlist(name) if value])
    kept = query.urlencode()
    return kept if len(kept) <= LONGEST else ""


def parameter(request: HttpRequest) -> dict[str, str]:
    """Return what names the list: its `value`, and in an address `only` where no query is yet, `more` where one is."""
    kept = filters_of(request)
    named = urlencode({NAME: kept}) if kept else ""
    return {"value": kept, "only": named and f"?{named}", "more": named and f"&{named}"}


def address(request: HttpRequest) -> str:
    """Return the queue as it was shown, filters and all."""
    query = filters_of(request)
    return f"{reverse('queue')}?{query}" if query else reverse("queue")


def patch_address(request: HttpRequest, decision_id: UUID) -> str:
    """Return a patch's page in this list."""
    return reverse("patch-detail", args=[decision_id]) + parameter(request)["only"]


def place_of(request: HttpRequest, decision: Decision, now: datetime) -> Around:
    """Return where a decision stands in that list."""
    form = QueueForm(QueryDict(filters_of(request)))
    return around(decision, form.filters(), form.order(), reviewer_shown(user_of(request)), now)


def context(request: HttpRequest, decision: Decision, now: datetime) -> dict[str, Any]:
    """Return the addresses a patch's page links to."""
    place = place_of(request, decision, now)
    return {
        "queue_url": address(request),
        "place": place,
        "previous_decision_id": place.before,
        "next_decision_id": place.after,
    }
