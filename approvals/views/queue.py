"""The pending queue."""

from datetime import datetime
from typing import Any

from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.views.decorators.http import require_safe

from approvals.accounts.sessions import pop_view_name
from approvals.forms import PRIORITIES, QueueForm
from approvals.kpi_tiles import queue_tiles
from approvals.permissions import REVIEW_DECISION
from approvals.policy.rules import Reviewer
from approvals.queries import queue as queries
from approvals.queries.cards import cards
from approvals.queries.delegations import reviewer_with_delegations
from approvals.queries.keyset import BadCursor, Page, page
from approvals.queries.kpis import queue_kpis
from approvals.queries.workbench import saved_views
from approvals.requests import Request
from approvals.templatetags.number_tags import shown_count

from .access import user_of, varies, viewers
from .links import page_urls, queue_address, with_parameters

PAGE = 25
SORTS = [
    ("priority", "Priority, then SLA"),
    ("sla", "SLA, soonest first"),
    ("age", "Oldest first"),
    ("confidence", "Confidence, lowest first"),
]


@require_safe
@viewers
@varies
def queue(request: Request) -> HttpResponse:
    """The page, or for htmx its list with filters."""
    now, form = timezone.now(), QueueForm(request.GET)
    who = reviewer_with_delegations(user_of(request), now)
    narrow = queries.queue_rows(form.filters(), now, who)
    try:
        shown = page(queries.pending(), queries.ORDERS[form.order()], request.GET.get("cursor"), PAGE, narrow)
    except BadCursor:
        return redirect(request.path)
    fragment = request.htmx and request.htmx.target == "queue"
    context = _list(request, form, shown, who, now) | {"saved_views": saved_views(user_of(request))}
    if fragment:
        return render(request, "approvals/_queue.html", context | {"fragment": True})
    return render(
        request,
        "approvals/queue.html",
        context
        | {"kpis": queue_tiles(queue_kpis(now)), "needs_me": needs_of(who, now), "not_saved": pop_view_name(request)},
    )


def _list(request: Request, form: QueueForm, shown: Page[Any], who: Reviewer, now: datetime) -> dict[str, Any]:
    filters = form.filters()
    tabs = priority_tabs(request, filters, who, now)
    return {
        "active": "queue",
        "form": form,
        "filters_active": filters.active() + bool(filters.q),
        "cards": cards(shown.rows, who, now),
        "tabs": tabs,
        "sort_options": [
            {"key": name, "label": label, "url": with_parameters(request, sort=name), "current": name == form.order()}
            for name, label in SORTS
        ],
        "total": next(tab["count"] for tab in tabs if tab["current"]),
        "absent": who.absent,
        "shown": len(shown.rows),
        **page_urls(request, shown),
    }


def needs_of(who: Reviewer, now: datetime) -> str:
    """Return how many waiting patches need this person; '' for somebody who does not review."""
    if REVIEW_DECISION not in who.permissions:
        return ""
    return shown_count(queries.counted(queries.queue_rows(queries.Filters(mine=True), now, who)))


def priority_tabs(request: Request, filters: queries.Filters, who: Reviewer, now: datetime) -> list[dict[str, Any]]:
    """Return the tabs; each counts under the other filters."""
    counts = queries.counts_by_priority(filters, now, who)
    return [
        {
            "key": name,
            "label": label,
            "count": shown_count(counts[name]),
            "url": queue_address(request, priority="" if name == "all" else name),
            "current": name == (filters.priority or "all"),
        }
        for name, label in [("all", "All"), *PRIORITIES]
    ]
