"""One patch: its page, its files, and the form of an act on its card."""

from uuid import UUID

from django.http import Http404, HttpResponse
from django.shortcuts import render
from django.utils import timezone
from django.views.decorators.http import require_safe

from approvals.accounts.sessions import pop_draft
from approvals.forms import VerdictForm
from approvals.requests import Request
from approvals.services import reviews

from . import diff as diffs
from .access import demand_sight, user_of, varies, viewers
from .decide import STEPS
from .discussion import discussion_of
from .patch_context import (
    TEMPLATES,
    card_context,
    decision_or_404,
    diff_reading,
    page_context,
    sees_what_is_decided,
    with_diff,
)

YEAR = 365 * 24 * 3600


@require_safe
@viewers
@varies
def detail(request: Request, decision_id: UUID) -> HttpResponse:
    """The patch page; opening it is what lets a card approve this digest later."""
    decision, user = decision_or_404(decision_id), user_of(request)
    shown = request.method == "GET"  # a HEAD shows nobody anything
    kept = pop_draft(request, decision_id) if shown else None
    form = VerdictForm(initial=kept) if kept else None
    step = request.GET.get("step")
    chosen = {"step": step} if step in STEPS.values() else {}
    response = render(
        request, TEMPLATES[decision.patch.is_gate], page_context(request, decision, user, form=form, **chosen)
    )
    if shown and sees_what_is_decided(request, decision):
        reviews.open_page(decision.patch, user, timezone.now())  # a page that failed was not read
    if request.GET.get("view") in diffs.LAYOUTS:
        response.set_cookie("diff", request.GET["view"], max_age=YEAR, samesite="Lax", secure=request.is_secure())
    return response


@require_safe
@viewers
@varies
def file(request: Request, decision_id: UUID, key: str) -> HttpResponse:
    """One file of the diff, opened, or more of its lines: a fragment for htmx, a page of its own otherwise."""
    decision, first = with_diff(decision_id), request.GET.get("from", "0")
    demand_sight(request, "diff")
    first_line = int(first) if first.isdecimal() and len(first) < 8 else 0
    reading = diff_reading(request, decision, user_of(request), discussion_of(request, decision).shown, first_line)
    shown = diffs.one_file(reading, key, first_line)
    if shown is None:
        raise Http404
    context = {"active": "queue", "decision": decision, "patch": decision.patch, "file": shown}
    if request.htmx:
        name = "approvals/_diff_lines.html" if first_line else "approvals/_diff_file.html"
        return render(request, name, context)
    return render(request, "approvals/diff_file.html", context)


@require_safe
@viewers
@varies
def card_action(request: Request, decision_id: UUID, action: str) -> HttpResponse:
    """The form for acting from a queue card: a dialog's content for htmx, a page otherwise."""
    if action not in {"approve", "reject", "comment"}:
        raise Http404
    decision, user = decision_or_404(decision_id), user_of(request)
    return render(request, "approvals/card_action.html", card_context(request, decision, user, action))
