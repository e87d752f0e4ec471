"""allauth's OpenID Connect, with what it leaves out: a nonce, the ID token checked, answers of one kind only."""

import secrets
import time
from typing import Any

from allauth.socialaccount.helpers import render_authentication_error
from allauth.socialaccount.models import SocialApp, SocialLogin, SocialToken
from allauth.socialaccount.providers.oauth2.client import OAuth2Error
from allauth.socialaccount.providers.openid_connect.provider import OpenIDConnectProvider
from allauth.socialaccount.providers.openid_connect.views import OpenIDConnectOAuth2Adapter
from django.conf import settings
from django.http import HttpRequest, HttpResponse

from . import fetching, id_token
from .faults import ProviderFault, unreadable

AGAIN = "again"
"""The parameter of our login page by which the provider is told to ask its person again."""
TEXTS = ("sub", "nonce", "email", "preferred_username", "name", "given_name", "family_name")
MAX_TEXT = 254  # the longest address there is


class Connection(OpenIDConnectOAuth2Adapter):  # type: ignore[misc]
    """What the provider is asked, and what is believed of its answers. Raise ProviderFault."""

    @property
    def openid_config(self) -> dict[str, Any]:
        return fetching.metadata()

    def get_access_token_data(self, *args: Any, **kwargs: Any) -> dict[str, Any]:
        """Return the two tokens for the code in the request, and nothing else of the answer."""
        try:
            data = super().get_access_token_data(*args, **kwargs)
        except OAuth2Error as error:
            # Its words are what the provider answered, which may hold a secret.
            raise ProviderFault(
                "Your provider did not confirm this sign-in. Try again, or ask an administrator.",
                "the token endpoint gave no access token",
            ) from error
        except (ValueError, KeyError) as error:
            raise unreadable(f"the token endpoint's answer cannot be read: {type(error).__name__}") from error
        access = data.get("access_token")
        if not (isinstance(access, str) and access.isascii() and access.isprintable()):
            raise unreadable("the token endpoint gave no usable access token")
        if not isinstance(data.get("id_token"), str):
            raise unreadable("the token endpoint gave no ID token")
        return {"access_token": access, "id_token": data["id_token"]}

    def complete_login(self, request: HttpRequest, app: SocialApp, token: SocialToken, **kwargs: Any) -> SocialLogin:
        """Return who the provider says has come; `answers` compares the nonce, where the session's state is known."""
        said = id_token.verified(kwargs["response"]["id_token"], app.client_id, fetching.keys)
        id_token.demand_context(said)
        data = {"id_token": _cleaned(said)}
        if address := self.openid_config.get("userinfo_endpoint"):
            info = self._asked(address, token.token)
            if info.get("sub") != said["sub"]:  # Core 5.3.2
                raise ProviderFault(
                    "The provider's answers are about two different people. Ask an administrator.",
                    "the user info is of another sub than the ID token",
                )
            data["userinfo"] = _cleaned(info)
        return self.get_provider().sociallogin_from_response(request, data)

    def _asked(self, address: str, access_token: str) -> dict[str, Any]:
        with fetching.Session() as session:
            return fetching.document(session.get(address, headers={"Authorization": f"Bearer {access_token}"}))


class SingleSignOn(OpenIDConnectProvider):  # type: ignore[misc]
    """The one provider of an install."""

    oauth2_adapter_class = Connection

    def redirect_from_request(self, request: HttpRequest) -> HttpResponse:
        """Lead to the provider with a nonce of this sign-in; what else is asked of it is ours to say, not the
        browser's."""
        wanted = {**self.get_auth_params(), "nonce": secrets.token_urlsafe(32)}
        remembered: dict[str, Any] = {"nonce": wanted["nonce"]}
        if settings.OIDC_ACR_VALUES:
            wanted["acr_values"] = " ".join(settings.OIDC_ACR_VALUES)
        if request.GET.get(AGAIN):
            wanted |= {"prompt": "login", "max_age": "0"}
            remembered["asked_at"] = int(time.time())
        kwargs = super().get_redirect_from_request_kwargs(request)
        kwargs |= {"auth_params": wanted, "scope": self.get_scope(), **remembered}
        try:
            answer: HttpResponse = self.redirect(request, **kwargs)
        except ProviderFault as fault:
            answer = render_authentication_error(request, self, exception=fault)
        return answer


def _cleaned(said: dict[str, Any]) -> dict[str, Any]:
    """Return the claims that are read here, each of its kind: allauth keeps them, and a text that is none, such as one
    with a NUL, cannot be."""
    kept: dict[str, Any] = {name: said[name] for name in TEXTS if _fits(said.get(name))}
    kept["email_verified"] = said.get("email_verified") is True
    if isinstance(amr := said.get("amr"), list):
        kept["amr"] = _texts(amr)
    if (groups := said.get(settings.OIDC_GROUPS_CLAIM)) is not None:
        kept[settings.OIDC_GROUPS_CLAIM] = _texts(groups if isinstance(groups, list) else [groups])
    if (at := id_token.asked_person_at(said)) is not None:
        kept["auth_time"] = at
    return kept


def _texts(values: list[Any]) -> list[str]:
    return [value for value in values if _fits(value)]


def _fits(value: Any) -> bool:
    return id_token.is_plain(value) and len(value) <= MAX_TEXT
