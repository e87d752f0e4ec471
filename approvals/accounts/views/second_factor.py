"""Second factors, as allauth's: forms with our limit on guessing, changes in one transaction with their entry, and none
is seen, added or taken away without one that is there already."""

from collections.abc import Callable
from functools import wraps
from typing import Any
from urllib.parse import urlencode

from allauth.account.internal.flows.reauthentication import get_reauthentication_flows
from allauth.core import context
from allauth.mfa.base.forms import AuthenticateForm, BaseAuthenticateForm, ReauthenticateForm
from django.contrib import messages
from django.core.exceptions import ValidationError
from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.shortcuts import redirect
from django.urls import reverse
from django.utils import timezone

from approvals.accounts.services import guessing, identity, sign_ins
from approvals.accounts.sessions import factor_at, is_factor_fresh, is_fresh, remember_factor, renew_key
from approvals.actors import person_actor
from approvals.errors import TooMany
from approvals.models import User
from approvals.queries.people import second_factors

from .confirm import by_factor

View = Callable[..., HttpResponseBase]
OTHERS_GO_ON = "Your other sessions go on. Should one of them not be yours, end it on your account page."


def by_ones_own(view: View) -> View:
    """Let factors and recovery codes be seen and changed only by whoever proved just now that they have one.

    For allauth a password is enough, and nothing for people of the provider who have neither. With a password alone
    one could read the codes, or put a factor in the place of another, where a code is asked for at step-up.
    """

    @wraps(view)
    def guarded(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        user, now = request.user, timezone.now()
        if not isinstance(user, User):
            return view(request, *args, **kwargs)
        had = second_factors(user)
        if had and not is_factor_fresh(request, now):
            return redirect(by_factor(request.path))
        if not get_reauthentication_flows(user) and not is_fresh(request, now):
            return redirect(f"{reverse('confirm')}?{urlencode({'next': request.path})}")
        answer = view(request, *args, **kwargs)
        if not had and second_factors(user):
            remember_factor(request, user)
        return answer

    return guarded


def recorded(view: View) -> View:
    """Let a view of allauth's change the second factors of whoever asks only together with the entry of it."""

    @wraps(view)
    def whole(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        user = request.user
        if request.method != "POST" or not isinstance(user, User):
            return view(request, *args, **kwargs)
        with identity.changing_factors(user, actor=person_actor(request, user), now=timezone.now()) as changes:
            answer = view(request, *args, **kwargs)
        if changes:
            messages.info(request, OTHERS_GO_ON)
        return answer

    return whole


def proving(view: View) -> View:
    """Give a session a new key, and the log its entry, when its person gave a right code or key in a view of
    allauth's."""

    @wraps(view)
    def whole(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        before = factor_at(request)
        answer = view(request, *args, **kwargs)
        if isinstance(request.user, User) and factor_at(request) != before:
            sign_ins.record_right_code(request.user, actor=person_actor(request, request.user), now=timezone.now())
            renew_key(request)
        return answer

    return whole


class Counted(BaseAuthenticateForm):  # type: ignore[misc]
    """A code of the authenticator app, or a recovery code; six digits are soon tried out."""

    limit = staticmethod(guessing.code)

    def clean_code(self) -> str:
        actor, now = person_actor(context.request, self.user), timezone.now()
        try:
            self.limit(self.user, actor.ip_address, now=now)
            return str(super().clean_code())
        except TooMany as error:
            raise ValidationError(error.detail, code="locked") from error
        except ValidationError:
            sign_ins.record_failed_confirmation(self.user, actor=actor, now=now)
            raise


class CodeForm(Counted, AuthenticateForm):  # type: ignore[misc]
    """At sign-in, after the password."""


class CodeAgainForm(Counted, ReauthenticateForm):  # type: ignore[misc]
    """In an open session, to prove again who one is."""

    limit = staticmethod(guessing.code_again)
