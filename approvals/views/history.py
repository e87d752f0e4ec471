"""Decided patches."""

from contextlib import nullcontext

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_safe

from approvals.forms import HistoryForm
from approvals.models import Status
from approvals.queries import history as queries
from approvals.queries.keyset import BadCursor, page
from approvals.queries.people import offered
from approvals.templatetags.number_tags import shown_count
from postgresql.replica import read_connection

from .access import varies, viewers
from .links import page_urls, with_parameters

PAGE = 50
TABS = {
    "": ("All", "", ""),
    Status.APPROVED: ("Approved", "check-disc", "success"),
    Status.AUTO_APPROVED: ("Auto-approved", "spark", "violet"),
    Status.REJECTED: ("Rejected", "x-disc", "danger"),
    Status.CHANGES_REQUESTED: ("Changes requested", "undo", "warning"),
    Status.EXPIRED: ("Expired", "clock", "warning"),
    Status.CANCELLED: ("Cancelled", "ban", ""),
    Status.SUPERSEDED: ("Superseded", "layers", ""),
    Status.REVOKED: ("Revoked", "undo", "danger"),
}


@require_safe
@viewers
@varies
def history(request: HttpRequest) -> HttpResponse:
    """The table of decided patches with filters and paging."""
    form = HistoryForm(request.GET)
    filters = form.filters()
    limits = settings.DATABASE_LIMITS["search"]
    try:
        with read_connection().limited_to(limits) if filters.q else nullcontext():
            shown = page(queries.found(filters), queries.ORDER, request.GET.get("cursor"), PAGE)
            counts, more = queries.counts_by_status(filters)
    except BadCursor:
        return redirect(request.path)
    context = {
        "active": "history",
        "form": form,
        "people": offered(),
        "filters_active": filters.active(),
        "outcomes": queries.outcomes(shown.rows),
        "tabs": [
            {
                "key": str(key),
                "label": label,
                "icon": icon,
                "kind": kind,
                "count": shown_count(counts[str(key)], more),
                "url": with_parameters(request, status=str(key)),
                "current": str(key) == filters.status,
            }
            for key, (label, icon, kind) in TABS.items()
        ],
        "total": shown_count(counts[filters.status], more),
        "shown": len(shown.rows),
        **page_urls(request, shown),
    }
    return render(request, "approvals/history.html", context)
