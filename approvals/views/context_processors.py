"""What every page shows around its content: theme, counts of waiting patches and unread notices, version, the list its
links stay in."""

from typing import Any

from django.conf import settings
from django.http import HttpRequest
from django.utils import timezone
from django.utils.functional import SimpleLazyObject

from approvals.models import Theme, Waiting
from approvals.queries import bypasses, deciders
from approvals.queries.queue import counted
from approvals.templatetags.number_tags import shown_count
from notifications.queries.inbox import MOST_UNREAD

from . import list_navigation
from .access import reader_of


def shell(request: HttpRequest) -> dict[str, Any]:
    """Return the frame's context; signed out it needs no database."""
    user = getattr(request, "user", None)
    signed_in = bool(user and user.is_authenticated)
    return {
        "now": timezone.now(),
        "reader": SimpleLazyObject(lambda: reader_of(request)) if signed_in else None,
        "in_list": SimpleLazyObject(lambda: list_navigation.parameter(request)),
        "shell": {
            "theme": user.theme
            if signed_in and user
            else request.COOKIES.get(settings.THEME_COOKIE_NAME, Theme.SYSTEM),
            "pending_count": shown_count(counted(Waiting.objects.all())) if signed_in else "",
            "unread": _unread(user.unread_notices) if signed_in and user else "",
            "bypasses_to_review": SimpleLazyObject(lambda: bypasses.to_review().count()),  # only leads' pages ask
            "accounts_held": SimpleLazyObject(lambda: deciders.accounts_held().count()),
            "version": settings.VERSION,
        },
    }


def _unread(number: int | None) -> str:
    """Return a count of unread notices as the bell shows it: '' for none, and no number of more than two digits."""
    return f"{number}" if number and number < MOST_UNREAD else "99+" if number else ""
