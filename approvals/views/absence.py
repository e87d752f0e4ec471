"""Being away: who reviews in one's name, for how long, and ending it."""

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.views.decorators.http import require_http_methods, require_POST

from approvals.actors import person_actor
from approvals.errors import Conflict, NotFound, Refusal
from approvals.forms import AbsenceForm
from approvals.queries import delegations
from approvals.services import absence as services

from .access import user_of, varies, viewers


@require_http_methods(["GET", "HEAD", "POST"])
@viewers
@varies
def absence(request: HttpRequest) -> HttpResponse:
    """Show who stands in for whom; a POST asks somebody to."""
    user = user_of(request)
    form = AbsenceForm(request.POST if request.method == "POST" else None, delegations.may_stand_in(user))
    if request.method != "POST":
        return _page(request, form)
    if not form.is_valid():
        return _page(request, form, 422)
    try:
        made = services.delegate(
            user,
            form.cleaned_data["delegate"],
            *form.period(),
            form.cleaned_data["reason"],
            actor=person_actor(request, user),
            now=timezone.now(),
        )
    except Refusal as error:
        form.add_error(None, error.detail)
        status = error.status
    else:
        messages.success(request, f"{made.delegate} reviews in your name.")
        return redirect("absence")
    return _page(request, form, status)


@require_POST
@viewers
def end(request: HttpRequest, delegation_id: int) -> HttpResponse:
    """End a delegation before its time."""
    user = user_of(request)
    try:
        ended = services.end(delegation_id, user=user, actor=person_actor(request, user), now=timezone.now())
    except NotFound as error:
        raise Http404 from error
    except Conflict as error:
        messages.warning(request, error.detail)
    else:
        messages.success(request, f"{ended.delegate} no longer reviews in your name.")
    return redirect("absence")


def _page(request: HttpRequest, form: AbsenceForm, status: int = 200) -> HttpResponse:
    user, now = user_of(request), timezone.now()
    context = {
        "form": form,
        "now": now,
        "given": delegations.given_by(user, now),
        "asked": delegations.asked_of(user, now),
    }
    return render(request, "approvals/absence.html", context, status=status)
