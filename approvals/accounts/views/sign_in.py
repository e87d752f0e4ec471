"""Signing in and out, and the theme. Sign-ins are entries of the audit log."""

from typing import Any

from allauth.account.internal.flows.login import perform_password_login
from allauth.account.models import Login
from django.conf import settings
from django.contrib.auth import logout
from django.contrib.auth.forms import AuthenticationForm
from django.contrib.auth.views import LoginView
from django.core.exceptions import ValidationError
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.utils import timezone
from django.views.decorators.http import require_POST

from approvals.accounts.services import guessing, sign_ins
from approvals.actors import nobody, person_actor
from approvals.errors import TooMany
from approvals.models import Theme, User
from approvals.queries.people import account_of
from approvals.services import workbench
from approvals.views.access import way_back

YEAR = 365 * 24 * 3600


class SignInForm(AuthenticationForm):
    """Django's form, which does not say whether it was the name or the password; each try is counted first."""

    error_messages = {
        **AuthenticationForm.error_messages,
        "invalid_login": "Email or password is wrong.",
    }
    locked: TooMany | None = None

    def clean(self) -> dict[str, Any]:
        request, typed = self.request, self.cleaned_data.get("username")
        assert request is not None
        if typed and self.cleaned_data.get("password"):
            try:
                guessing.sign_in(account_of(typed), typed, nobody(request).ip_address, now=timezone.now())
            except TooMany as error:
                self.locked = error
                raise ValidationError(error.detail, code="locked") from error
        return super().clean()


class SignIn(LoginView):
    """Django's sign-in page over allauth's steps, with an entry for each attempt."""

    template_name = "registration/login.html"
    authentication_form = SignInForm
    redirect_authenticated_user = True

    def get_context_data(self, **context: Any) -> dict[str, Any]:
        return super().get_context_data(single_sign_on=bool(settings.OIDC_ISSUER), **context)

    @classmethod
    def again(cls, request: HttpRequest, sentence: str) -> HttpResponse:
        """Show the page with the name that was typed and a sentence; the password is typed anew."""
        page = cls()
        page.setup(request)
        form = SignInForm(request, initial={"username": request.POST.get("username", "")[:254]})
        return page.render_to_response(page.get_context_data(form=form, not_sent=sentence), status=403)

    def form_valid(self, form: Any) -> HttpResponse:
        user: User = form.get_user()
        login = Login(user=user, redirect_url=self.get_success_url())
        # Asks those for their second factor who have one.
        answer: HttpResponse = perform_password_login(self.request, {}, login)
        return answer

    def form_invalid(self, form: Any) -> HttpResponse:
        if not form.locked:  # those are summed up in one entry
            typed = form.data.get("username", "")[:254]
            sign_ins.record_failed_sign_in(account_of(typed), actor=nobody(self.request), now=timezone.now())
        response = super().form_invalid(form)
        response.status_code = 422
        if form.locked:
            response.status_code, response["Retry-After"] = form.locked.status, str(form.locked.retry_after)
        return response


@require_POST
def sign_out(request: HttpRequest) -> HttpResponse:
    """End the session."""
    if isinstance(request.user, User):
        sign_ins.record_sign_out(request.user, actor=person_actor(request, request.user), now=timezone.now())
    return signed_out(request)


def signed_out(request: HttpRequest) -> HttpResponse:
    """End this browser's session, and what its pages keep unsent: the next person at this screen is another one."""
    logout(request)
    response = redirect("login")
    response["Clear-Site-Data"] = '"storage"'
    return response


@require_POST
def theme(request: HttpRequest) -> HttpResponse:
    """Keep the theme with the account, and in a cookie for the sign-in page; then go back."""
    wanted = request.POST.get("theme", "")
    if wanted not in Theme.values:
        return HttpResponse("Choose system, light or dark.", status=422, content_type="text/plain; charset=utf-8")
    response = redirect(way_back(request))
    if isinstance(request.user, User):
        workbench.set_theme(request.user, Theme(wanted))
    name, secure = settings.THEME_COOKIE_NAME, settings.SESSION_COOKIE_SECURE
    response.set_cookie(name, wanted, max_age=YEAR, samesite="Lax", httponly=True, secure=secure)
    return response


@require_POST
def keys(request: HttpRequest) -> HttpResponse:
    """Switch single-key shortcuts on or off for this person (WCAG 2.1.4); then go back."""
    if isinstance(request.user, User):
        workbench.set_single_keys(request.user, request.POST.get("single_keys") == "on")
    return redirect(way_back(request))
