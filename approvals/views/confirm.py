"""Proving again who one is, where a policy asks for it; then back to the page that asked."""

from django import forms
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.views.decorators.cache import never_cache
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_http_methods

from approvals.actors import person_actor
from approvals.errors import Invalid, TooMany
from approvals.forms import ConfirmForm
from approvals.services import access
from approvals.sessions import remember_authentication

from .access import person_of, way_back


@sensitive_post_parameters("password")
@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
@login_required
def confirm(request: HttpRequest) -> HttpResponse:
    """Ask the signed-in person for their password; the answer counts for five minutes."""
    form = ConfirmForm(request.POST if request.method == "POST" else None)
    if request.method == "POST" and form.is_valid():
        try:
            return _confirmed(request, form.cleaned_data["password"])
        except (Invalid, TooMany) as error:
            form.add_error("password", error.detail)
            answer = _page(request, form, error.status)
            if isinstance(error, TooMany):
                answer["Retry-After"] = str(error.retry_after)
            return answer
    return _page(request, form, 422 if form.errors else 200)


def _confirmed(request: HttpRequest, password: str) -> HttpResponse:
    user, now = person_of(request), timezone.now()
    access.confirm_password(user, password, actor=person_actor(request, user), now=now)
    remember_authentication(request, now)
    return redirect(way_back(request))


def _page(request: HttpRequest, form: forms.Form, status: int) -> HttpResponse:
    return render(request, "registration/confirm.html", {"form": form, "next": way_back(request)}, status=status)
