"""How often pages may be asked for: by one signed-in person, and by one address before anybody has signed in."""

from collections.abc import Callable

from django.conf import settings
from django.http.response import HttpResponseBase

from approvals.accounts.services.guessing import network
from approvals.api.caller import Bucket
from approvals.errors import TooMany
from approvals.requests import Request
from approvals.views.errors import page

from .bodies import MACHINE_PATHS

people = Bucket(settings.RATE_LIMIT_PAGES_PER_MINUTE)
addresses = Bucket(settings.RATE_LIMIT_ANONYMOUS_PER_MINUTE)


class PageLimitsMiddleware:
    """Refuse pages beyond the limit with 429; machines have limits of their own, by token."""

    def __init__(self, get_response: Callable[[Request], HttpResponseBase]) -> None:
        self.get_response = get_response

    def __call__(self, request: Request) -> HttpResponseBase:
        if request.path.startswith(MACHINE_PATHS):
            return self.get_response(request)
        try:
            if request.user.is_authenticated:
                people.take(str(request.user.pk))
            else:
                address = request.client_ip
                addresses.take(network(address) if address else "")
        except TooMany as error:
            answer = page(request, 429, "Too many requests", "Wait a moment, then load the page again.")
            answer["Retry-After"] = str(error.retry_after)
            return answer
        return self.get_response(request)
