"""Small acts of the workbench: files marked as viewed, who has a page open, saved views."""

import re
from urllib.parse import parse_qsl, urlencode
from uuid import UUID

from django.contrib import messages
from django.http import Http404, HttpResponse, QueryDict
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_POST

from approvals.accounts.sessions import save_view_name
from approvals.errors import Conflict, NotFound, Refusal
from approvals.models import Decision
from approvals.queries import decisions as find
from approvals.queries.workbench import others_present
from approvals.requests import Request
from approvals.services import workbench

from . import list_navigation
from .access import user_of, viewers

SHA256 = re.compile("[0-9a-f]{64}")


@require_POST
@viewers
def tick(request: Request, decision_id: UUID) -> HttpResponse:
    """Remember or forget that a file was viewed: `file` is the digest of its part of the patch."""
    decision, sha256 = _decision(decision_id), request.POST.get("file", "")
    if not SHA256.fullmatch(sha256):
        return HttpResponse("Which file?", status=422, content_type="text/plain; charset=utf-8")
    workbench.tick(decision, user_of(request), sha256, request.POST.get("viewed") == "on")
    if request.htmx:
        return HttpResponse(status=204)
    return redirect(f"{list_navigation.patch_address(request, decision_id)}#diff")


@require_POST
@viewers
def presence(request: Request, decision_id: UUID) -> HttpResponse:
    """Say that this page is open, and show who else has it open."""
    decision, user, now = _decision(decision_id), user_of(request), timezone.now()
    workbench.be_present(decision.patch, user, now)
    return render(request, "approvals/_presence.html", {"others_present": others_present(decision, user, now)})


@require_POST
@viewers
def save_view(request: Request) -> HttpResponse:
    """Keep the queue's present filters under a name."""
    sent = parse_qsl(request.POST.get("query", "").lstrip("?"))
    query = urlencode([(key, value) for key, value in sent if key != "cursor"])
    try:
        view = workbench.save_view(user_of(request), request.POST.get("name", ""), query)
    except Refusal as error:
        return name_again(request, error.detail)
    messages.success(request, f"Saved as {view.name}.")
    return redirect(f"{reverse('queue')}?{view.query}" if view.query else "queue")


def name_again(request: Request, sentence: str) -> HttpResponse:
    """Go back to the filters that were to be saved, with the name as it was typed and what is wrong with it."""
    save_view_name(request, request.POST.get("name", ""), sentence)
    query = QueryDict(request.POST.get("query", "")[:2_000].lstrip("?")).urlencode()
    return redirect(f"{reverse('queue')}?{query}" if query else "queue")


@require_POST
@viewers
def delete_view(request: Request, view_id: int) -> HttpResponse:
    """Forget one of one's own saved views."""
    workbench.delete_view(user_of(request), view_id)
    messages.success(request, "The view is gone; the patches are not.")
    return redirect("queue")


def _decision(decision_id: UUID) -> Decision:
    try:
        return find.by_id(str(decision_id))
    except (NotFound, Conflict) as error:
        raise Http404 from error
