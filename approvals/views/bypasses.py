"""The page of emergency bypasses: uses to be reviewed, what waits, what runs, what is over; asking for one."""

from typing import Any
from uuid import UUID

from django.contrib import messages
from django.contrib.auth.decorators import permission_required
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.views.decorators.http import require_http_methods, require_POST

from approvals.actors import person_actor
from approvals.errors import Conflict, NotFound, Refusal, moment
from approvals.forms import BypassForm, BypassReviewForm
from approvals.models import Decision
from approvals.permissions import LEAD_DECISION, VIEW_POLICY
from approvals.queries import bypasses as queries
from approvals.queries import decisions as find
from approvals.services import bypasses
from approvals.services.bypasses import Target

from .access import user_of, viewers

ANSWERS = {"grant": bypasses.grant, "refuse": bypasses.refuse, "end": bypasses.end}


@require_http_methods(["GET", "HEAD", "POST"])
@viewers
@permission_required(VIEW_POLICY, raise_exception=True)
def index(request: HttpRequest) -> HttpResponse:
    """Show every bypass; a POST asks for one, for the patch that `?decision=` fills in or another target."""
    if request.method != "POST":
        return _page(request, BypassForm(None, queries.may_hold(), _prefilled(request)))
    form, user = BypassForm(request.POST, queries.may_hold()), user_of(request)
    if not form.is_valid():
        return _page(request, form, status=422)
    said = form.cleaned_data
    one = said["target"] == "patch"
    target = Target(said["decision"]) if one else Target(None, said["ecosystem"], said["package"])
    try:
        asked = bypasses.ask(
            said["holder"],
            target,
            said["seconds"],
            said["reason"],
            user=user,
            actor=person_actor(request, user),
            now=timezone.now(),
        )
    except Refusal as error:
        form.add_error(None, error.detail)
        status = error.status
    else:
        messages.warning(request, f"Asked for: {asked} does nothing until a second lead grants it.")
        return redirect("bypasses")
    return _page(request, form, status=status)


@require_POST
@viewers
@permission_required(VIEW_POLICY, raise_exception=True)
def decide(request: HttpRequest, bypass_id: int, answer: str) -> HttpResponse:
    """Grant, refuse or withdraw what was asked, or end what runs."""
    if answer not in ANSWERS:
        raise Http404
    user = user_of(request)
    try:
        done = ANSWERS[answer](bypass_id, user=user, actor=person_actor(request, user), now=timezone.now())
    except NotFound as error:
        raise Http404 from error
    except Refusal as error:
        messages.error(request, error.detail)
        return redirect("bypasses")
    until = f" until {moment(done.ends_at)}" if answer == "grant" and done.ends_at else ""
    messages.success(request, f"{str(done).capitalize()}: {done.get_state_display().lower()}{until}.")
    return redirect("bypasses")


@require_POST
@viewers
@permission_required(VIEW_POLICY, raise_exception=True)
def review(request: HttpRequest, decision_id: UUID) -> HttpResponse:
    """Judge one use; an error stands at its form, with what was typed."""
    form, user = BypassReviewForm(request.POST), user_of(request)
    if form.is_valid():
        said = form.cleaned_data
        try:
            bypasses.review(
                decision_id,
                said["justified"],
                said["note"],
                user=user,
                actor=person_actor(request, user),
                now=timezone.now(),
            )
        except NotFound as error:
            raise Http404 from error
        except Refusal as error:
            messages.error(request, error.detail)
        else:
            messages.success(request, "Your review is recorded.")
        return redirect("bypasses")
    asking = BypassForm(None, queries.may_hold())
    return _page(request, asking, status=422, judged=form, judged_id=decision_id)


def _page(request: HttpRequest, form: BypassForm, *, status: int = 200, **changes: Any) -> HttpResponse:
    user, now = user_of(request), timezone.now()
    lead = user.has_perm(LEAD_DECISION)
    context = {
        "active": "policies",
        "form": form,
        "lead": lead,
        "now": now,
        "to_review": queries.listed_to_review(),
        "asked": queries.listed_asked(),
        "running": queries.listed_running(now),
        "past": queries.listed_past(now),
        "most": queries.PAST,
    }
    return render(request, "approvals/bypasses.html", context | changes, status=status)


def _prefilled(request: HttpRequest) -> dict[str, Any]:
    """Return the target's fields for the patch that a link names; one that does not exist fills in nothing."""
    try:
        decision: Decision = find.by_id(request.GET.get("decision", ""))
    except (NotFound, Conflict):
        return {}
    patch = decision.patch
    named = {"ecosystem": patch.ecosystem, "package": patch.package_name}
    return {"target": "patch", "decision": decision.decision_id, **named}
