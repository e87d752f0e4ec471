"""The page of deliveries: how each endpoint is, what waits, what was given up, and sending that again."""

from typing import Any
from uuid import UUID

from django import forms
from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.views.decorators.http import require_POST, require_safe

from approvals.actors import person_actor
from approvals.forms import ANY
from approvals.permissions import CHANGE_ENDPOINT
from approvals.queries import endpoints as queries
from approvals.queries.keyset import BadCursor, page
from approvals.services import endpoints
from approvals.templatetags.number_tags import shown_count
from notifications.models import Channel, DeliveryState

from .access import delivery_readers, user_of, varies
from .links import page_urls, with_parameters

PAGE = 50
AT_ONCE = 1_000  # deliveries that one click sends again
TABS = {
    DeliveryState.DEAD: ("Given up", "error"),
    DeliveryState.PENDING: ("Waiting", "hourglass"),
    DeliveryState.DELIVERED: ("Delivered", "check"),
    DeliveryState.DROPPED: ("No longer needed", "ban"),
}
COUNTED = (DeliveryState.DEAD, DeliveryState.PENDING)


class DeliveryForm(forms.Form):
    """What the list of deliveries is narrowed to."""

    state = forms.ChoiceField(required=False, choices=DeliveryState.choices)
    channel = forms.ChoiceField(required=False, choices=[*ANY, *Channel.choices], widget=forms.RadioSelect)
    endpoint = forms.IntegerField(required=False, min_value=1, max_value=2**31)

    def wanted(self) -> dict[str, Any]:
        """Return the filters that are valid; a wrong one narrows nothing."""
        self.is_valid()
        said = self.cleaned_data
        return {
            "state": said.get("state") or DeliveryState.DEAD,
            "channel": said.get("channel", ""),
            "endpoint": said.get("endpoint"),
        }


@require_safe
@delivery_readers
@varies
def deliveries(request: HttpRequest) -> HttpResponse:
    """Endpoints above; below one list a state, what was given up first."""
    form, now = DeliveryForm(request.GET), timezone.now()
    wanted = form.wanted()
    order = queries.WAITING_FIRST if wanted["state"] == DeliveryState.PENDING else queries.LAST_FIRST
    try:
        shown = page(queries.deliveries(**wanted), order, request.GET.get("cursor"), PAGE)
    except BadCursor:
        return redirect(request.path)
    counts = queries.counts(now)
    context = {
        "active": "deliveries",
        "form": form,
        "endpoints": queries.seen(now),
        "may_change": request.user.has_perm(CHANGE_ENDPOINT),
        "deliveries": shown.rows,
        "state": wanted["state"],
        "endpoint": wanted["endpoint"],
        "at_once": AT_ONCE,
        "tabs": _tabs(request, wanted["state"], counts),
        **page_urls(request, shown),
    }
    return render(request, "approvals/deliveries.html", context)


def _tabs(request: HttpRequest, current: str, counts: dict[tuple[str, str], int]) -> list[dict[str, Any]]:
    return [
        {
            "label": label,
            "icon": icon,
            "count": shown_count(sum(counts.get((channel, state), 0) for channel in Channel))
            if state in COUNTED
            else "",
            "url": with_parameters(request, state=state),
            "current": state == current,
        }
        for state, (label, icon) in TABS.items()
    ]


@require_POST
@delivery_readers
def replay(request: HttpRequest) -> HttpResponse:
    """Send again what was given up: `one`, each `delivery` that is ticked, or `all` of the list's filters."""
    user = user_of(request)
    if "all" in request.POST:
        wanted = DeliveryForm(request.POST).wanted() | {"state": DeliveryState.DEAD}
        keys = list(queries.deliveries(**wanted).order_by(*queries.LAST_FIRST).values_list("pk", flat=True)[:AT_ONCE])
    else:
        given = request.POST.getlist("one") or request.POST.getlist("delivery")
        keys = [key for key in map(_uuid, given[:AT_ONCE]) if key]
    again = endpoints.replay(keys, actor=person_actor(request, user), now=timezone.now())
    if again:
        messages.success(request, f"{again:,} {'is' if again == 1 else 'are'} sent again.")
    else:
        messages.error(request, "Nothing was sent again: none of these waits for that any more.")
    return redirect("deliveries")


def _uuid(text: str) -> UUID | None:
    try:
        return UUID(text)
    except ValueError:
        return None
