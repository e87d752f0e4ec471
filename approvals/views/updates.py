"""What open pages fetch piece by piece: cards, counts with arrivals, the decision panel, an outcome."""

from datetime import datetime
from uuid import UUID

from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.utils.dateparse import parse_datetime
from django.views.decorators.http import require_safe

from approvals.forms import QueueForm
from approvals.models import Decision, Status
from approvals.queries import queue as queries
from approvals.queries.cards import cards as cards_of
from approvals.queries.delegations import reviewer_with_delegations
from approvals.requests import Request
from approvals.templatetags.number_tags import shown_count

from .access import user_of, varies, viewers
from .links import queue_address
from .patch_context import decision_or_404, panel_context
from .queue import needs_of, priority_tabs

MOST_CARDS = 50


@require_safe
@viewers
@varies
def cards(request: Request) -> HttpResponse:
    """Several cards of the queue as they are now, by `id`; for a decided one a line with its outcome."""
    now, user = timezone.now(), user_of(request)
    rows = Decision.objects.filter(decision_id__in=_ids(request)).select_related(
        "patch__producer", "policy_version__policy", "decided_by_user"
    )
    waiting = [decision for decision in rows if decision.status == Status.PENDING]
    gone = [decision for decision in rows if decision.status != Status.PENDING]
    shown = cards_of(waiting, reviewer_with_delegations(user, now), now)
    return render(request, "approvals/_cards_again.html", {"cards": shown, "gone": gone})


@require_safe
@viewers
@varies
def counts(request: Request) -> HttpResponse:
    """The counts under the present filters, and how many patches arrived since the list was drawn."""
    now, form = timezone.now(), QueueForm(request.GET)
    who = reviewer_with_delegations(user_of(request), now)
    filters = form.filters()
    tabs = priority_tabs(request, filters, who, now)
    rows = queries.queue_rows(filters, now, who)
    context = {
        "tabs": tabs,
        "needs_me": needs_of(who, now),
        "total": next(tab["count"] for tab in tabs if tab["current"]),
        "arrived": shown_count(queries.counted(queries.arrivals(rows, _since(request), _ids(request)))),
        "list_url": queue_address(request),
    }
    return render(request, "approvals/_counts.html", context)


@require_safe
@viewers
@varies
def panel(request: Request, decision_id: UUID) -> HttpResponse:
    """The decision panel as it is now, with a notice of what happened meanwhile."""
    decision = decision_or_404(decision_id)
    if not request.htmx:
        return redirect("patch-detail", decision_id)
    return render(request, "approvals/_panel_again.html", panel_context(request, decision))


@require_safe
@viewers
@varies
def outcome(request: Request, decision_id: UUID) -> HttpResponse:
    """What was decided, why and by whom: the open row of the history."""
    decision = decision_or_404(decision_id)
    if not request.htmx:
        return redirect("patch-detail", decision_id)
    return render(request, "approvals/_outcome_again.html", panel_context(request, decision))


def _ids(request: Request) -> list[UUID]:
    """Return the ids that are asked for; anything that is no UUID is ignored."""
    found = []
    for value in request.GET.getlist("id")[:MOST_CARDS]:
        try:
            found.append(UUID(value))
        except ValueError:
            continue
    return found


def _since(request: Request) -> datetime | None:
    try:
        since = parse_datetime(request.GET.get("since", ""))
    except ValueError:  # well formed, but no moment: the 31st of June
        return None
    return since if since and timezone.is_aware(since) else None
