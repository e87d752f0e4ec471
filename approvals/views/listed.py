"""The list somebody came to a patch from: its patches lead to each other in its order, and back to it."""

from datetime import datetime
from typing import Any

from django.http import HttpRequest, QueryDict
from django.urls import reverse

from approvals.forms import SHARES, QueueForm
from approvals.models import Decision
from approvals.queries.people import person
from approvals.queries.queue import neighbours

from .access import person_of

KEY = "list"  # in the session: it outlives a verdict's POST and needs no script
LONGEST = 2_000  # characters; a longer query is no list of ours


def remember(request: HttpRequest) -> None:
    """Keep the filters and the order of the list shown; where in it the page began does not matter."""
    query = QueryDict(mutable=True)
    for name in (*QueueForm.base_fields, *SHARES):
        query.setlist(name, [value for value in request.GET.getlist(name) if value])
    kept = query.urlencode()
    if len(kept) <= LONGEST and request.session.get(KEY, "") != kept:
        request.session[KEY] = kept


def address(request: HttpRequest) -> str:
    """Return the queue as it was last shown, filters and all."""
    query = request.session.get(KEY, "")
    return f"{reverse('queue')}?{query}" if query else reverse("queue")


def around(request: HttpRequest, decision: Decision, now: datetime) -> tuple[Decision | None, Decision | None]:
    """Return the pending decisions before and after this one in that list."""
    form = QueueForm(QueryDict(request.session.get(KEY, "")))
    return neighbours(decision, form.filters(), form.order(), person(person_of(request)), now)


def context(request: HttpRequest, decision: Decision, now: datetime) -> dict[str, Any]:
    """Return the addresses a patch's page links to."""
    before, after = around(request, decision, now)
    return {
        "queue_url": address(request),
        "previous_decision_id": before.decision_id if before else None,
        "next_decision_id": after.decision_id if after else None,
    }
