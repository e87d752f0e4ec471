"""The inbox: what a person was told, what of it they have not read, and what still needs them.

Reading marks only one's own items, and only a POST does.
"""

from typing import Any

from django import forms
from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils import timezone
from django.utils.http import url_has_allowed_host_and_scheme
from django.views.decorators.http import require_POST, require_safe

from approvals.queries.keyset import BadCursor, page
from approvals.requests import Request
from notifications.kinds import KINDS
from notifications.models import Item
from notifications.queries.inbox import LISTS, NEWEST_FIRST
from notifications.services import inbox as services

from .access import go_to, signed_in, user_of, varies, way_back
from .links import page_urls, with_parameters

PAGE = 50
TABS = {"": ("All", "layers"), "unread": ("Unread", "bell"), "needs-me": ("Needs me", "hourglass")}
ICONS = {
    "decision_required": ("queue", ""),
    "urgent": ("overdue", "danger"),
    "reminder": ("hourglass", "warning"),
    "escalated": ("escalate", "warning"),
    "approvals_fell": ("layers", "warning"),
    "changes_requested": ("undo", "warning"),
    "decided": ("check-disc", ""),
    "expired": ("clock", "warning"),
    "revoked": ("shield-x", "danger"),
    "stand_in": ("calendar", ""),
    "second_person": ("users", ""),
    "bypass_granted": ("key", "warning"),
    "bypass_used": ("key", "danger"),
    "deployment_alarm": ("error", "danger"),
    "weekly_digest": ("analytics", ""),
}
"""The icon of each kind and its colour."""


@require_safe
@signed_in
@varies
def inbox(request: HttpRequest) -> HttpResponse:
    """A list of the inbox by day, the newest first."""
    show = request.GET.get("show", "")
    if show not in LISTS:
        return redirect(request.path)
    try:
        shown = page(LISTS[show](user_of(request).pk), NEWEST_FIRST, request.GET.get("cursor"), PAGE)
    except BadCursor:
        return redirect(request.path)
    context = {
        "active": "inbox",
        "show": show,
        "tabs": [
            {"label": label, "icon": icon, "url": with_parameters(request, show=key), "current": key == show}
            for key, (label, icon) in TABS.items()
        ],
        "rows": [_row(item) for item in shown.rows],
        "newest": max((item.pk for item in shown.rows), default=0),
        **page_urls(request, shown),
    }
    return render(request, "approvals/inbox.html", context)


@require_safe
def bell(request: HttpRequest) -> HttpResponse:
    """The count of unread notices, which pages ask for by themselves; whoever was signed out stays where they are."""
    if not request.user.is_authenticated:
        return HttpResponse(status=401)
    return render(request, "_unread.html")


@require_POST
@signed_in
def open_item(request: Request, item_id: int) -> HttpResponse:
    """Mark an item as read and go to what it is about."""
    return go_to(request, _link(_read(request, item_id)))


@require_POST
@signed_in
def read(request: Request, item_id: int) -> HttpResponse:
    """Mark an item as read and stay in the list."""
    _read(request, item_id)
    return redirect(_list_of(request))


class ShownForm(forms.Form):
    """The newest item of the list that was looked at: what came since stays unread."""

    newest = forms.IntegerField(min_value=0, max_value=2**63 - 1)


@require_POST
@signed_in
def read_all(request: Request) -> HttpResponse:
    """Mark everything as read that came up to the newest item shown."""
    form = ShownForm(request.POST)
    if form.is_valid():
        services.read_all(user_of(request).pk, form.cleaned_data["newest"], now=timezone.now())
    return redirect(_list_of(request))


@require_POST
@signed_in
def next_item(request: Request) -> HttpResponse:
    """Go to the next thing that asks this person to act, and mark it as read."""
    item = services.next_that_needs(user_of(request).pk, now=timezone.now())
    if item is None:
        messages.success(request, "Nothing else that you have not read needs you.")
        return redirect("inbox")
    return redirect(_link(item))


def _read(request: HttpRequest, item_id: int) -> Item:
    item = services.read(user_of(request).pk, item_id, now=timezone.now())
    if item is None:
        raise Http404
    return item


def _list_of(request: HttpRequest) -> str:
    return way_back(request) if request.POST.get("next") else reverse("inbox")


def _link(item: Item) -> str:
    """Return the page an item is about; the inbox where its link is none of ours."""
    link = str(item.notice.facts.get("link", ""))
    ours = link.startswith("/") and url_has_allowed_host_and_scheme(link, None)
    return link if ours else reverse("inbox")


def _row(item: Item) -> dict[str, Any]:
    icon, tone = ICONS.get(item.notice.kind, ("bell", ""))
    kind = KINDS.get(item.notice.kind)
    return {
        "item": item,
        "notice": item.notice,
        "headline": item.notice.facts.get("headline", ""),
        "day": timezone.localtime(item.notice.at).date(),
        "link": _link(item),
        "icon": icon,
        "tone": tone,
        "title": kind.title if kind else "",
        "done": item.notice.settled_at is not None,
        "asks": bool(kind and kind.asks),
    }
