"""The pages on which endpoints are added and changed, and their buttons; a secret is shown once, where it is made."""

from collections.abc import Callable
from typing import Any

from django import forms
from django.conf import settings
from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils import timezone
from django.utils.http import urlencode
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_POST

from approvals.accounts.sessions import is_factor_fresh, is_fresh
from approvals.actors import person_actor
from approvals.errors import Invalid, NotFound, Refusal
from approvals.fields import FieldGroups
from approvals.queries import endpoints as queries
from approvals.services import endpoints
from approvals.services.endpoints import Wanted
from notifications.formats import FORMATS
from notifications.models import Endpoint
from notifications.outbound import MAX_URL

from .access import endpoint_changers, user_of

Done = tuple[Callable[..., Any], str]
ACTIONS: dict[str, Done] = {
    "enable": (endpoints.enable, "It is called again, from where it stopped."),
    "disable": (endpoints.disable, "Nothing more is sent to it; what comes waits in the feed."),
    "remove": (endpoints.remove, "It is removed."),
    "test": (endpoints.send_test, "A test is on its way: what came of it is in the list below in a moment."),
    "end-old-secret": (endpoints.end_old_secret, "Calls are signed by the new secret alone."),
}


class EndpointForm(FieldGroups, forms.Form):
    """Where a program listens, what it is sent, and as whom it reads."""

    name = forms.CharField(max_length=100, strip=True, error_messages={"required": "Give it a name."})
    url = forms.CharField(
        max_length=MAX_URL,
        strip=True,
        label="Address",
        help_text="https; what is inside your network only where OUTBOUND_ALLOW names it.",
        error_messages={"required": "Say where it listens."},
    )
    format = forms.ChoiceField(
        choices=[(name, one.title) for name, one in FORMATS.items()],
        help_text="To the reference API's callback, /api/patches/… is added to the address.",
    )
    audience = forms.ChoiceField(
        label="Acts for",
        help_text="It is told what this token would read in the feed, while a token of this name is in force.",
        error_messages={"required": "Choose for whom it is."},
    )
    after = forms.IntegerField(
        required=False,
        min_value=0,
        max_value=2**62,
        label="Begin after position",
        help_text="Of the feed; 0 sends all that it has. Empty: from now on.",
    )

    def __init__(self, data: Any, audiences: list[str], endpoint: Endpoint | None = None) -> None:
        fields = ("name", "url", "format", "audience")
        initial = {name: getattr(endpoint, name) for name in fields} if endpoint else {}
        super().__init__(data, initial=initial)
        if endpoint:  # whom it acts for and where it began stay
            del self.fields["audience"], self.fields["after"]
        else:
            named = [(words, Endpoint(audience=words).audience_words) for words in audiences]
            self.fields["audience"].choices = [("", "Choose a deployer or producer"), *named]  # type: ignore[attr-defined]

    def wanted(self, audience: str) -> Wanted:
        """Return what valid fields mean."""
        said = self.cleaned_data
        return Wanted(said["name"], said["url"], said["format"], said.get("audience", audience))

    def refuse(self, error: Invalid) -> None:
        """Show why it is refused at the field that is wrong."""
        named = [str(one["loc"][-1]) for one in error.errors or []]
        self.add_error(named[0] if named and named[0] in self.fields else None, error.detail)


@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
@endpoint_changers
def new(request: HttpRequest) -> HttpResponse:
    """Add an endpoint; who only has an open session proves first who they are."""
    if (away := _unproved(request, request.path)) is not None:
        return away
    now, posted = timezone.now(), request.POST if request.method == "POST" else None
    form = EndpointForm(posted, queries.audiences(now))
    if posted is None or not form.is_valid():
        return _page(request, form, status=200 if posted is None else 422)
    try:
        endpoint, secret = endpoints.add(form.wanted(""), form.cleaned_data["after"], actor=_actor(request), now=now)
    except Invalid as error:
        form.refuse(error)
    else:
        return _page(request, EndpointForm(None, [], endpoint), endpoint, secret)
    return _page(request, form, status=422)


@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
@endpoint_changers
def edit(request: HttpRequest, endpoint_id: int) -> HttpResponse:
    """Show and change an endpoint."""
    endpoint = queries.live().filter(pk=endpoint_id).first()
    if endpoint is None:
        raise Http404
    if (away := _unproved(request, request.path)) is not None:
        return away
    posted = request.POST if request.method == "POST" else None
    form = EndpointForm(posted, [], endpoint)
    if posted is None or not form.is_valid():
        return _page(request, form, endpoint, status=200 if posted is None else 422)
    try:
        endpoints.change(endpoint_id, form.wanted(endpoint.audience), actor=_actor(request), now=timezone.now())
    except Invalid as error:
        form.refuse(error)
    else:
        messages.success(request, "It is changed.")
        return redirect("endpoint", endpoint_id)
    return _page(request, form, endpoint, status=422)


@never_cache
@require_POST
@endpoint_changers
def replace_secret(request: HttpRequest, endpoint_id: int) -> HttpResponse:
    """Make a new secret beside the present one and show it."""
    if (away := _unproved(request, reverse("endpoint", args=[endpoint_id]))) is not None:
        return away
    try:
        endpoint, secret = endpoints.replace_secret(endpoint_id, actor=_actor(request), now=timezone.now())
    except NotFound as error:
        raise Http404 from error
    return _page(request, EndpointForm(None, [], endpoint), endpoint, secret)


@require_POST
@endpoint_changers
def act(request: HttpRequest, endpoint_id: int, action: str) -> HttpResponse:
    """Do what a button says."""
    if action not in ACTIONS:
        raise Http404
    do, sentence = ACTIONS[action]
    try:
        do(endpoint_id, actor=_actor(request), now=timezone.now())
    except NotFound as error:
        raise Http404 from error
    except Refusal as error:
        messages.error(request, error.detail)
    else:
        messages.success(request, sentence)
    return redirect(f"{reverse('deliveries')}?state=delivered&endpoint={endpoint_id}")


def _unproved(request: HttpRequest, back: str) -> HttpResponse | None:
    """Return the way to the page that asks who one is and leads back, None for who has just proved it."""
    now = timezone.now()
    if settings.SECOND_FACTOR_REQUIRED and not is_factor_fresh(request, now):
        return redirect(f"{reverse('confirm')}?{urlencode({'next': back, 'by': 'factor'})}")
    return None if is_fresh(request, now) else redirect(f"{reverse('confirm')}?{urlencode({'next': back})}")


def _page(
    request: HttpRequest, form: EndpointForm, endpoint: Endpoint | None = None, secret: str = "", status: int = 200
) -> HttpResponse:
    context = {"active": "deliveries", "form": form, "endpoint": endpoint, "secret": secret}
    return render(request, "approvals/endpoint.html", context, status=status)


def _actor(request: HttpRequest) -> Any:
    return person_actor(request, user_of(request))
