"""A new password of one's own: for everybody who has one, and for whoever got a one-time link."""

from django import forms
from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.contrib.auth.forms import SetPasswordMixin
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils import timezone
from django.utils.http import urlencode
from django.views.decorators.cache import never_cache
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_http_methods

from approvals.accounts.services import identity, recovery, sign_ins
from approvals.accounts.sessions import keep_session
from approvals.actors import nobody, person_actor
from approvals.errors import Conflict, Invalid, TooMany
from approvals.fields import FieldGroups, PresentPasswordField
from approvals.models import User
from approvals.views.access import user_of, with_retry


class NewPasswordForm(SetPasswordMixin, FieldGroups, forms.Form):  # type: ignore[type-arg]
    """A new password, twice."""

    required_css_class = ""
    announces_errors = True
    new_password1, new_password2 = SetPasswordMixin.create_password_fields("New password", "New password again")
    new_password1.help_text = new_password2.help_text = ""
    error_messages = {"password_mismatch": "The two new passwords are not the same."}

    def clean(self) -> None:
        self.validate_passwords("new_password1", "new_password2")

    def check(self, user: User) -> bool:
        """Return whether the new password may be this person's."""
        if self.is_valid():
            self.validate_password_for_user(user, "new_password1")
        return not self.errors


class PasswordForm(NewPasswordForm):
    """The present password with it; the new one is looked at first, so that a slip is no guess."""

    password = PresentPasswordField("Present password")


@sensitive_post_parameters()
@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
@login_required
def password(request: HttpRequest) -> HttpResponse:
    """Ask for the present and a new password; every other session is over with it."""
    user = user_of(request)
    if not user.has_usable_password():
        messages.error(request, "You have no password here: you sign in at your provider.")
        return redirect("account")
    form = PasswordForm(request.POST if request.method == "POST" else None)
    if request.method == "POST" and form.check(user):
        try:
            return _changed(request, user, form)
        except (Invalid, TooMany, Conflict) as error:
            form.add_error("password", error.detail)
            refusal = error
        answer = render(request, "registration/password.html", {"form": form}, status=refusal.status)
        return with_retry(answer, refusal)
    return render(request, "registration/password.html", {"form": form}, status=422 if form.errors else 200)


def _changed(request: HttpRequest, user: User, form: PasswordForm) -> HttpResponse:
    actor, now = person_actor(request, user), timezone.now()
    sign_ins.confirm_password(user, form.cleaned_data["password"], actor=actor, now=now)
    identity.change_password(
        user, form.cleaned_data["new_password1"], session_key=request.session.session_key, actor=actor, now=now
    )
    keep_session(request, user)
    messages.success(request, "Your password is changed. Every other session of yours is over.")
    return redirect("account")


@sensitive_post_parameters()
@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def link(request: HttpRequest, secret: str) -> HttpResponse:
    """Let whoever holds a one-time link set the password it is for, and then sign in; it signs nobody in itself.

    Its secret is an HMAC, which nobody guesses, so tries are not counted.
    """
    person = recovery.person_of_link(secret)
    if person is None:
        sentence = "This link was used, replaced or is too old. Ask an administrator for another one."
        return render(request, "error.html", {"title": "This link does not work", "sentence": sentence}, status=404)
    form = NewPasswordForm(request.POST if request.method == "POST" else None)
    if request.method == "POST" and form.check(person):
        try:
            recovery.set_password(secret, form.cleaned_data["new_password1"], actor=nobody(request), now=timezone.now())
        except Invalid as error:  # somebody else was faster
            form.add_error(None, error.detail)
        else:
            messages.success(
                request, "Your password is set. Sign in, and confirm on your account page that it was you who set it."
            )
            return redirect(f"{reverse('login')}?{urlencode({'next': reverse('account')})}")
    context: dict[str, object] = {"form": form, "person": person, "secret": secret}
    return render(request, "registration/link.html", context, status=422 if form.errors else 200)
