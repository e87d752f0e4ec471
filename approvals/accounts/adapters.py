"""What allauth asks of us: sign-ins are entries, sign-up is closed, secrets are encrypted, who the provider sends."""

import base64
import logging
import os
import secrets
from typing import Any

import requests
from allauth.account.adapter import DefaultAccountAdapter
from allauth.account.internal.stagekit import clear_login
from allauth.core.exceptions import ImmediateHttpResponse
from allauth.mfa.adapter import DefaultMFAAdapter
from allauth.socialaccount.adapter import DefaultSocialAccountAdapter
from allauth.socialaccount.models import SocialLogin
from allauth.socialaccount.providers.base import AuthError, AuthProcess
from cryptography.fernet import InvalidToken
from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils import timezone

from approvals.actors import nobody, person_actor, provider
from approvals.errors import NotAllowed
from notifications import secrets as secrets_at_rest
from notifications.secrets import SECOND_FACTORS

from .openid import fetching, id_token
from .openid.faults import ProviderFault
from .openid.provider import SingleSignOn
from .services import identity, sign_ins
from .sessions import carry_drafts, is_as_begun, methods, remember_begun, remember_provider, restore_drafts

log = logging.getLogger(__name__)


class AccountAdapter(DefaultAccountAdapter):  # type: ignore[misc]
    """Accounts are made by administrators or come from the provider; every completed sign-in is an entry."""

    def is_open_for_signup(self, request: HttpRequest) -> bool:
        return False

    def get_client_ip(self, request: HttpRequest) -> str:
        """Return the address as our middleware found it: a forwarded one counts from trusted proxies only."""
        return getattr(request, "client_ip", None) or "0.0.0.0"  # noqa: S104 -- a column that cannot be empty

    def pre_login(self, request: HttpRequest, user: Any, **login: Any) -> HttpResponse | None:
        """Called once the password or provider was right; a sign-in may then wait for its second factor."""
        remember_begun(request, user)
        return super().pre_login(request, user, **login)  # type: ignore[no-any-return]

    def login(self, request: HttpRequest, user: Any) -> None:
        """Sign somebody in, unless another password or signing out everywhere ended what they began."""
        if not is_as_begun(request, user):
            clear_login(request)
            sign_ins.record_failed_confirmation(user, actor=person_actor(request, user), now=timezone.now())
            raise _not_signed_in(request, "Your password was changed or you were signed out meanwhile. Sign in again.")
        super().login(request, user)

    def post_login(self, request: HttpRequest, user: Any, **login: Any) -> HttpResponse:
        """Called once all of it was right, the second factor too."""
        response: HttpResponse = super().post_login(request, user, **login)
        if came := (login.get("signal_kwargs") or {}).get("sociallogin"):
            said = came.account.extra_data["id_token"]
            remember_provider(request, id_token.asked_person_at(said), id_token.asked_for_two_factors(said))
            restore_drafts(request)
        actor = person_actor(request, user)
        sign_ins.record_sign_in(user, methods(request), actor=actor, now=timezone.now())
        return response


class Provider(DefaultSocialAccountAdapter):  # type: ignore[misc]
    """Single sign-on: who somebody is here is decided by `services.identity`, before allauth decides anything."""

    def get_requests_session(self) -> requests.Session:
        return fetching.Session()

    def get_provider(self, request: HttpRequest, provider: str, client_id: str | None = None) -> SingleSignOn:
        return SingleSignOn(request, app=self.get_app(request, provider=provider, client_id=client_id))

    def generate_state_param(self, state: dict[str, Any]) -> str:
        """Return 256 random bits; allauth's own have 95."""
        return secrets.token_urlsafe(32)

    def pre_social_login(self, request: HttpRequest, sociallogin: SocialLogin) -> None:
        """Give allauth an account that exists, or end the attempt with the sentence why not."""
        actor, now = provider(request), timezone.now()
        try:
            if sociallogin.state.get("process") != AuthProcess.LOGIN:
                raise NotAllowed("Accounts are tied to the provider when their people sign in, and in no other way.")
            said = sociallogin.account.extra_data["id_token"]
            id_token.answers(said, sociallogin.state.get("nonce"), sociallogin.state.get("asked_at"))
            user = identity.arrive(claims_of(sociallogin), settings.OIDC_GROUPS, actor=actor, now=now)
        except ProviderFault as fault:
            raise _faulty(request, fault) from fault
        except NotAllowed as error:
            raise _refused(request, error.detail, error.status) from error
        if request.user == user:
            carry_drafts(request)
        sociallogin.user = user

    def on_authentication_error(
        self,
        request: HttpRequest,
        provider: SingleSignOn,
        error: str | None = None,
        exception: Exception | None = None,
        extra_context: dict[str, Any] | None = None,
    ) -> None:
        """Answer a sign-in that ended before anybody was known; who cancelled is led back by allauth."""
        if error == AuthError.CANCELLED:
            sign_ins.refuse_from_provider(actor=nobody(request), now=timezone.now())
            return
        if isinstance(exception, ProviderFault):
            raise _faulty(request, exception)
        if exception is None and "state_id" in (extra_context or {}):
            raise _refused(request, "This sign-in was not begun in this browser, or too long ago. Begin again.")
        raise _refused(request, "Your provider did not sign you in. Try again, or ask an administrator.")


def _faulty(request: HttpRequest, fault: ProviderFault) -> ImmediateHttpResponse:
    """Return the answer to what is not believed of the provider, with a line for those who run this."""
    log.warning("Single sign-on was refused: %s", fault.reason)
    return _refused(request, fault.detail, fault.status)


def _refused(request: HttpRequest, sentence: str, status: int = 403) -> ImmediateHttpResponse:
    """Return the page that says why nobody was signed in, once that is an entry."""
    sign_ins.refuse_from_provider(actor=nobody(request), now=timezone.now())
    return _not_signed_in(request, sentence, status)


def _not_signed_in(request: HttpRequest, sentence: str, status: int = 403) -> ImmediateHttpResponse:
    context = {"title": "You were not signed in", "sentence": sentence}
    return ImmediateHttpResponse(render(request, "error.html", context, status=status))


def claims_of(sociallogin: SocialLogin) -> identity.Claims:
    """Return what the provider says, from its user info and the ID token, the former first; that an address is verified
    counts for the one beside it."""
    said = sociallogin.account.extra_data
    token, info = said["id_token"], said.get("userinfo", {})
    claims, mail = {**token, **info}, info if "email" in info else token
    return identity.Claims(
        provider=sociallogin.account.provider,
        subject=sociallogin.account.uid,
        email=mail.get("email", "") if mail["email_verified"] else "",
        username=claims.get("preferred_username", ""),
        first_name=claims.get("given_name", ""),
        last_name=claims.get("family_name", ""),
        groups=frozenset(claims.get(settings.OIDC_GROUPS_CLAIM, ())),
    )


class SecondFactors(DefaultMFAAdapter):  # type: ignore[misc]
    """Shared secrets of authenticator apps and recovery codes, encrypted."""

    def build_totp_svg(self, url: str) -> str:
        """Return the QR code to stand in a page: allauth's without the declaration of a file."""
        svg: str = super().build_totp_svg(url)
        return svg[svg.index("<svg") :]

    def encrypt(self, text: str) -> str:
        return secrets_at_rest.encrypt(text, SECOND_FACTORS)

    def renewed(self, encrypted_text: str) -> str:
        """Return the same secret under the present SECRET_KEY. Raise InvalidToken where no key reads it."""
        return secrets_at_rest.renewed(encrypted_text, SECOND_FACTORS)

    def decrypt(self, encrypted_text: str) -> str:
        try:
            return secrets_at_rest.decrypt(encrypted_text, SECOND_FACTORS)
        except InvalidToken:
            # SECRET_KEY was changed, or the row written by hand. A random secret matches no code; an empty one would.
            log.error("A second factor's secret cannot be read with this SECRET_KEY")
            return base64.b32encode(os.urandom(20)).decode()
