"""A new password of one's own, for everybody who has one."""

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.contrib.auth.forms import SetPasswordMixin
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.views.decorators.cache import never_cache
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_http_methods

from approvals.actors import person_actor
from approvals.errors import Conflict, Invalid, TooMany
from approvals.forms import ConfirmForm
from approvals.models import User
from approvals.services import access, identity
from approvals.sessions import keep_session

from .access import person_of


class PasswordForm(SetPasswordMixin, ConfirmForm):  # type: ignore[type-arg]
    """The present password, and the new one twice; the new one is looked at first, so that a slip is no guess."""

    new_password1, new_password2 = SetPasswordMixin.create_password_fields()
    error_messages = {"password_mismatch": "The two new passwords are not the same."}

    def clean(self) -> None:
        self.validate_passwords("new_password1", "new_password2")

    def check(self, user: User) -> bool:
        """Return whether the new password may be this person's."""
        if self.is_valid():
            self.validate_password_for_user(user, "new_password1")
        return not self.errors


@sensitive_post_parameters()
@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
@login_required
def password(request: HttpRequest) -> HttpResponse:
    """Ask for the present and a new password; every other session is over with it."""
    user = person_of(request)
    if not user.has_usable_password():
        messages.error(request, "You have no password here: you sign in at your provider.")
        return redirect("account")
    form = PasswordForm(request.POST if request.method == "POST" else None)
    if request.method == "POST" and form.check(user):
        try:
            return _changed(request, user, form)
        except (Invalid, TooMany, Conflict) as error:
            form.add_error("password", error.detail)
            answer = render(request, "registration/password.html", {"form": form}, status=error.status)
            if isinstance(error, TooMany):
                answer["Retry-After"] = str(error.retry_after)
            return answer
    return render(request, "registration/password.html", {"form": form}, status=422 if form.errors else 200)


def _changed(request: HttpRequest, user: User, form: PasswordForm) -> HttpResponse:
    actor, now = person_actor(request, user), timezone.now()
    access.confirm_password(user, form.cleaned_data["password"], actor=actor, now=now)
    identity.change_password(
        user, form.cleaned_data["new_password1"], session_key=request.session.session_key, actor=actor, now=now
    )
    keep_session(request, user)
    messages.success(request, "Your password is changed. Every other session of yours is over.")
    return redirect("account")
