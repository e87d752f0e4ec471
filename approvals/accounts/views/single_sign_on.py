"""The two addresses of single sign-on: leaving for the provider, and coming back."""

from allauth.account.internal.decorators import login_not_required
from allauth.socialaccount.helpers import render_authentication_error
from allauth.socialaccount.models import SocialApp
from allauth.socialaccount.providers.oauth2.views import OAuth2CallbackView, OAuth2LoginView, OAuth2View
from django.http import Http404, HttpRequest, HttpResponse
from django.views.decorators.cache import never_cache

from approvals.accounts.openid.faults import ProviderFault
from approvals.accounts.openid.provider import Connection


@never_cache
@login_not_required  # type: ignore[untyped-decorator]
def login(request: HttpRequest, provider_id: str) -> HttpResponse:
    """Lead to the provider."""
    return _answer(request, provider_id, OAuth2LoginView)


@never_cache
@login_not_required  # type: ignore[untyped-decorator]
def callback(request: HttpRequest, provider_id: str) -> HttpResponse:
    """Take what the provider sends, and sign the person in or say why not."""
    return _answer(request, provider_id, OAuth2CallbackView)


def _answer(request: HttpRequest, provider_id: str, view: type[OAuth2View]) -> HttpResponse:
    connection = Connection(request, provider_id)
    try:
        answer: HttpResponse = view.adapter_view(connection)(request)
    except SocialApp.DoesNotExist as error:
        raise Http404 from error
    except ProviderFault as fault:  # before allauth listens: metadata is asked for first
        answer = render_authentication_error(request, connection.get_provider(), exception=fault)
    return answer
