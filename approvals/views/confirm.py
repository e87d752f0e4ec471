"""Proving again who one is, where a policy asks for it; then back to the page that asked."""

from urllib.parse import urlencode

from allauth.account.adapter import get_adapter
from django import forms
from django.conf import settings
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.cache import never_cache
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_http_methods

from approvals.actors import person_actor
from approvals.errors import Invalid, TooMany
from approvals.forms import ConfirmForm
from approvals.queries.people import comes_from_provider
from approvals.services import access
from approvals.sessions import remember_password

from .access import person_of, way_back

SECOND_FACTORS = {
    "mfa_reauthenticate": "Use a code of your app, or a recovery code",
    "mfa_reauthenticate:webauthn": "Use a security key",
}


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
    remember_password(request, user)
    return redirect(way_back(request))


def _page(request: HttpRequest, form: forms.Form, status: int) -> HttpResponse:
    context = {"form": form, "next": way_back(request), "others": _others(request), "provider": _provider(request)}
    return render(request, "registration/confirm.html", context, status=status)


def _provider(request: HttpRequest) -> str:
    """Return the address that asks the provider for a fresh sign-in of somebody it sent; '' for others.

    What the browser sends the provider is its person's to change, so when it asked them is read in its answer.
    """
    if not settings.OIDC_ISSUER or not comes_from_provider(person_of(request)):
        return ""
    asked = {"process": "login", "next": way_back(request), "auth_params": "prompt=login&max_age=0"}
    return f"{reverse('openid_connect_login', args=['sso'])}?{urlencode(asked)}"


def _others(request: HttpRequest) -> list[dict[str, str]]:
    """Return the person's second factors, each with the page of allauth's that takes it and leads back."""
    back = urlencode({"next": way_back(request)})
    ways = get_adapter().get_reauthentication_methods(person_of(request))
    return [
        {"url": f"{way['url']}?{back}", "words": SECOND_FACTORS[way["id"]]}
        for way in ways
        if way["id"] in SECOND_FACTORS
    ]
