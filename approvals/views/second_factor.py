"""Second factors, as allauth's: forms with our limit on guessing, and changes in one transaction with their entry."""

from collections.abc import Callable
from functools import wraps
from typing import Any

from allauth.core import context
from allauth.mfa.base.forms import AuthenticateForm, BaseAuthenticateForm, ReauthenticateForm
from django.core.exceptions import ValidationError
from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.utils import timezone

from approvals.actors import person_actor
from approvals.errors import TooMany
from approvals.models import User
from approvals.services import access, guessing, identity

View = Callable[..., HttpResponseBase]


def recorded(view: View) -> View:
    """Let a view of allauth's change the second factors of whoever asks only together with the entry of it."""

    @wraps(view)
    def whole(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        user = request.user
        if request.method != "POST" or not isinstance(user, User):
            return view(request, *args, **kwargs)
        with identity.changing_factors(user, actor=person_actor(request, user), now=timezone.now()):
            return view(request, *args, **kwargs)

    return whole


class Counted(BaseAuthenticateForm):  # type: ignore[misc]
    """A code of the authenticator app, or a recovery code; six digits are soon tried out."""

    def clean_code(self) -> str:
        actor, now = person_actor(context.request, self.user), timezone.now()
        try:
            guessing.attempt(self.user, "", actor.ip_address, now=now)
            return str(super().clean_code())
        except TooMany as error:
            access.record_failed_confirmation(self.user, actor=actor, now=now)
            raise ValidationError(error.detail, code="locked") from error
        except ValidationError:
            access.record_failed_confirmation(self.user, actor=actor, now=now)
            raise


class CodeForm(Counted, AuthenticateForm):  # type: ignore[misc]
    """At sign-in, after the password."""


class CodeAgainForm(Counted, ReauthenticateForm):  # type: ignore[misc]
    """In an open session, to prove again who one is."""

    def clean_code(self) -> str:
        code = super().clean_code()
        access.record_confirmation(self.user, actor=person_actor(context.request, self.user), now=timezone.now())
        return code
