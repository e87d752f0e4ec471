"""The admin site's own doors: signing in and out and one's own password are the product's, which writes entries."""

from typing import Any

from django.contrib import admin
from django.contrib.auth import logout
from django.contrib.auth.views import redirect_to_login
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, resolve_url
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_POST

from approvals.accounts.services import sign_ins

from .kinds import acting, signed_in


@never_cache
def sign_in(request: HttpRequest, extra_context: Any = None) -> HttpResponse:
    """Lead to the product's sign-in, which records each attempt; 403 for somebody signed in who is not staff."""
    if not request.user.is_authenticated:
        return redirect_to_login(request.GET.get("next") or resolve_url("admin:index"))
    if not admin.site.has_permission(request):  # another redirect would go round in circles
        raise PermissionDenied("Your account is not one of the administration's.")
    return redirect("admin:index")


@require_POST
def sign_out(request: HttpRequest, extra_context: Any = None) -> HttpResponse:
    """End the session, with its entry."""
    sign_ins.record_sign_out(signed_in(request), **acting(request))
    logout(request)
    response = redirect("login")
    response["Clear-Site-Data"] = '"storage"'
    return response


def own_password(request: HttpRequest, extra_context: Any = None) -> HttpResponse:
    """Lead to the product's page for one's own password, which limits guesses at the present one and records them."""
    return redirect("password")


# Factors, sessions and provider accounts have pages of their own, which write entries; these would not.
for model in [model for model in admin.site._registry if model._meta.app_config.name.startswith("allauth.")]:
    admin.site.unregister(model)
admin.site.login = sign_in  # type: ignore[method-assign]
admin.site.logout = sign_out  # type: ignore[method-assign, assignment]
admin.site.password_change = own_password  # type: ignore[method-assign, assignment]
admin.site.password_change_done = own_password  # type: ignore[method-assign, assignment]
