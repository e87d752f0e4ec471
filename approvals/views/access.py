"""Who may see a page at all; what they may do there is for `policy.rules`."""

from collections.abc import Callable
from functools import wraps
from typing import Any, TypeVar
from urllib.parse import urlsplit

from django.contrib.auth.decorators import login_required, permission_required
from django.contrib.auth.views import redirect_to_login
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import redirect
from django.urls import reverse
from django.utils.http import url_has_allowed_host_and_scheme

from approvals.errors import Refusal, TooMany
from approvals.models import User
from approvals.permissions import CHANGE_ENDPOINT, CHANGE_USER, LEAD_DECISION, VIEW_DECISION, VIEW_POLICY
from approvals.policy.visible_fields import Reader, reader_among, sees, why_hidden
from approvals.queries.people import reviewer_shown

View = TypeVar("View", bound=Callable[..., HttpResponseBase])


def viewers(view: View) -> View:
    """Let signed-in people whose groups show decisions in; others get the sign-in page or 403.

    After signing in again people land on the page they sent something from: what they sent takes no GET, and a
    fragment is no page.
    """
    return _back_after_sign_in(login_required(permission_required(VIEW_DECISION, raise_exception=True)(view)))


def signed_in(view: View) -> View:
    """Let everybody who is signed in in; others get the sign-in page, and come back as with `viewers`."""
    return _back_after_sign_in(login_required(view))


def _back_after_sign_in(view: View) -> View:
    @wraps(view)
    def guarded(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        if request.user.is_authenticated or not (request.htmx or request.method == "POST"):  # type: ignore[attr-defined]
            return view(request, *args, **kwargs)
        sign_in = redirect_to_login(came_from(request))
        return HttpResponse(status=204, headers={"HX-Redirect": sign_in.url}) if request.htmx else sign_in  # type: ignore[attr-defined]

    return guarded  # type: ignore[return-value]


def policy_readers(view: View) -> View:
    """Let signed-in people in who may read policies; others get the sign-in page or 403."""
    return login_required(permission_required(VIEW_POLICY, raise_exception=True)(view))


def administrators(view: View) -> View:
    """Let those in who look after people's accounts and may see decisions; others get the sign-in page or 403."""
    return login_required(permission_required([CHANGE_USER, VIEW_DECISION], raise_exception=True)(view))


def delivery_readers(view: View) -> View:
    """Let signed-in people in who lead or who change endpoints; others get the sign-in page or 403."""

    @wraps(view)
    def guarded(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        if not any(map(request.user.has_perm, (LEAD_DECISION, CHANGE_ENDPOINT))):
            raise PermissionDenied
        return view(request, *args, **kwargs)

    return viewers(guarded)  # type: ignore[return-value]


def endpoint_changers(view: View) -> View:
    """Let signed-in people in who change endpoints, unless their own account is held."""

    @wraps(view)
    def guarded(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        if not request.user.has_perm(CHANGE_ENDPOINT) or user_of(request).held_since is not None:
            raise PermissionDenied
        return view(request, *args, **kwargs)

    return viewers(guarded)  # type: ignore[return-value]


def came_from(request: HttpRequest) -> str:
    """Return the page of ours that sent this, as path and query; the queue when it does not say."""
    sent_from = urlsplit(request.headers.get("HX-Current-URL") or request.headers.get("Referer", ""))
    if sent_from.netloc != request.get_host():
        return reverse("queue")
    return sent_from._replace(scheme="", netloc="", fragment="").geturl()


def way_back(request: HttpRequest) -> str:
    """Return the page of ours that a form or link names as `next`, else the queue."""
    back = request.POST.get("next", request.GET.get("next", ""))
    safe = url_has_allowed_host_and_scheme(back, {request.get_host()}, require_https=request.is_secure())
    return back if safe else reverse("queue")


def go_to(request: HttpRequest, address: str) -> HttpResponse:
    """Send the browser on, in htmx's way where htmx asked."""
    if request.htmx:  # type: ignore[attr-defined]
        return HttpResponse(status=204, headers={"HX-Redirect": address})
    return redirect(address)


def with_retry(answer: HttpResponse, refusal: Refusal | None) -> HttpResponse:
    """Say in the answer when to come back, where a limit is reached."""
    if isinstance(refusal, TooMany):
        answer["Retry-After"] = str(refusal.retry_after)
    return answer


def user_of(request: HttpRequest) -> User:
    """Return the signed-in person of a view behind `viewers`."""
    assert isinstance(request.user, User)
    return request.user


class Hidden(PermissionDenied):
    """A page of what this person may not see; its text is the sentence they read."""


def reader_of(request: HttpRequest) -> Reader:
    """Return which reader of `policy.visible_fields` the signed-in person is, by the groups that the API goes by."""
    return reader_among(reviewer_shown(user_of(request)).permissions)


def demand_sight(request: HttpRequest, field: str) -> None:
    """Raise Hidden where the signed-in person may not see a field."""
    if not sees(reader_of(request), field):
        raise Hidden(why_hidden(field))


def varies(view: View) -> View:
    """Mark a view that answers htmx with a fragment and everybody else with the page, for caches."""

    @wraps(view)
    def marked(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        response = view(request, *args, **kwargs)
        response["Vary"] = ", ".join(filter(None, [response.get("Vary", ""), "HX-Request", "HX-Target"]))
        response["Cache-Control"] = "no-store"  # the back button must not show a decided patch as pending
        return response

    return marked  # type: ignore[return-value]
