"""Proving again who one is, where a policy asks for it: in the decision panel, or elsewhere and back to the panel."""

from typing import Any
from urllib.parse import urlencode
from uuid import UUID

from allauth.account.adapter import get_adapter
from django import forms
from django.conf import settings
from django.contrib.auth.decorators import login_required
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.cache import never_cache
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_http_methods, require_POST

from approvals.accounts.openid.provider import AGAIN
from approvals.accounts.services import sign_ins
from approvals.accounts.sessions import remember_password, renew_key, save_draft
from approvals.actors import person_actor
from approvals.errors import Invalid, NotFound, TooMany
from approvals.forms import ConfirmForm, VerdictForm
from approvals.models import Decision, User
from approvals.queries import decisions
from approvals.queries.decision_facts import asks_for_factor
from approvals.queries.people import comes_from_provider
from approvals.views import list_navigation
from approvals.views.access import go_to, user_of, viewers, way_back, with_retry

KEPT = ("text", "in_name_of", "bypass")
"""The fields of the panel that outlive a way elsewhere; the verdict is given again."""
SECOND_FACTORS = {
    "mfa_reauthenticate": ("code", "Use an app or recovery code"),
    "mfa_reauthenticate:webauthn": ("key", "Use a security key"),
}
"""By allauth's name: ours, and what its button says."""


@sensitive_post_parameters("password")
@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
@login_required
def confirm(request: HttpRequest) -> HttpResponse:
    """Ask the signed-in person for their password; the answer counts for five minutes."""
    form = ConfirmForm(request.POST if request.method == "POST" else None)
    if request.method == "POST" and form.is_valid():
        try:
            take_password(request, form.cleaned_data["password"])
        except (Invalid, TooMany) as error:
            form.add_error("password", error.detail)
            refusal = error
        else:
            return redirect(way_back(request))
        return with_retry(_page(request, form, refusal.status), refusal)
    return _page(request, form, 422 if form.errors else 200)


@require_POST
@viewers
def elsewhere(request: HttpRequest, decision_id: UUID) -> HttpResponse:
    """Keep what was typed in the decision panel, and lead to what asks who one is by other means than its password."""
    form = VerdictForm(request.POST)
    form.full_clean()  # a verdict is not asked for here
    try:
        decision = decisions.by_id(str(decision_id))
    except NotFound as error:
        raise Http404 from error
    kept = {name: form.cleaned_data.get(name) for name in KEPT}
    save_draft(request, decision_id, **kept | {"text": request.POST.get("text", "")})
    chosen = request.POST.get("by", "")
    ways = {way["by"]: way["url"] for way in second_factors(user_of(request), panel_address(request, decision_id))}
    return go_to(request, ways.get(chosen) or address(request, decision))


def take_password(request: HttpRequest, password: str) -> None:
    """Check the signed-in person's password; a right one counts for five minutes, in a session with a new key. Raise
    Invalid or TooMany."""
    user, now = user_of(request), timezone.now()
    sign_ins.confirm_password(user, password, actor=person_actor(request, user), now=now)
    renew_key(request)
    remember_password(request, user)


def proofs(request: HttpRequest, decision: Decision) -> dict[str, Any]:
    """Return by what this person can prove in the decision panel who they are: a `password` typed there, `others`
    that lead away and back; whoever comes from a provider is asked there first, on the page that has it. Where a second
    `factor` is asked for, nothing else counts."""
    user = user_of(request)
    others = second_factors(user, panel_address(request, decision.decision_id))
    if asks_for_factor(decision.policy_version):
        return {"password": False, "others": others, "factor": True}
    if provider := bool(settings.OIDC_ISSUER and comes_from_provider(user)):
        others.append({"by": "provider", "words": "Sign in again at your provider"})
    return {"password": user.has_usable_password() and not provider, "others": others}


def address(request: HttpRequest, decision: Decision) -> str:
    """Return the page that asks who one is and leads back to this decision's panel."""
    back = panel_address(request, decision.decision_id)
    return by_factor(back) if asks_for_factor(decision.policy_version) else _asking(back)


def by_factor(back: str) -> str:
    """Return the page that asks for a code or a key, and for nothing else, and leads back."""
    return _asking(back, by="factor")


def _asking(back: str, **more: str) -> str:
    return f"{reverse('confirm')}?{urlencode({'next': back, **more})}"


def panel_address(request: HttpRequest, decision_id: UUID) -> str:
    return f"{list_navigation.patch_address(request, decision_id)}#decision"


def second_factors(user: User, back: str) -> list[dict[str, str]]:
    """Return the person's second factors, each with the page of allauth's that takes it and leads back."""
    query = urlencode({"next": back})
    known = [(way, SECOND_FACTORS.get(way["id"])) for way in get_adapter().get_reauthentication_methods(user)]
    return [{"by": of[0], "words": of[1], "url": f"{way['url']}?{query}"} for way, of in known if of]


def _page(request: HttpRequest, form: forms.Form, status: int) -> HttpResponse:
    back = way_back(request)
    factor = "factor" in (request.GET.get("by"), request.POST.get("by"))
    context = {
        "form": form,
        "next": back,
        "others": second_factors(user_of(request), back),
        "factor": factor,
        "provider": "" if factor else _provider(request),
    }
    return render(request, "registration/confirm.html", context, status=status)


def _provider(request: HttpRequest) -> str:
    """Return the address that asks the provider for a fresh sign-in of somebody it sent; '' for others.

    What the browser sends the provider is its person's to change, so when it asked them is read in its answer.
    """
    if not settings.OIDC_ISSUER or not comes_from_provider(user_of(request)):
        return ""
    asked = {"process": "login", "next": way_back(request), AGAIN: "1"}
    return f"{reverse('openid_connect_login', args=['sso'])}?{urlencode(asked)}"
