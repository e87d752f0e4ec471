"""The page of deployments: what is approved and not deployed, what raised an alarm, what deployers reported."""

from typing import Any

from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.views.decorators.http import require_safe

from approvals.kpi_tiles import Tile, count_tile, rate_tile, time_tile
from approvals.policy.visible_fields import sees
from approvals.queries import deployments as queries
from approvals.queries.keyset import BadCursor, page
from approvals.templatetags.number_tags import shown_count

from .access import reader_of, varies, viewers
from .links import page_urls, with_parameters

PAGE = 50
TABS = {
    "": ("Not deployed", "hourglass", ""),
    "never-fetched": ("Never fetched", "warning", "warning"),
    "alarms": ("Alarms", "error", "danger"),
    "reported": ("Reported", "package", ""),
}


@require_safe
@viewers
@varies
def deployments(request: HttpRequest) -> HttpResponse:
    """One list a tab, with its number; rates of the latest reports above."""
    now, show = timezone.now(), request.GET.get("show", "")
    if show not in TABS:
        return redirect(request.path)
    lists: dict[str, Any] = {
        "": queries.not_deployed(now),
        "never-fetched": queries.never_fetched(now),
        "alarms": queries.alarms(),
        "reported": queries.reports(),
    }
    order = queries.NEWEST_FIRST if show in {"alarms", "reported"} else queries.OLDEST_FIRST
    try:
        shown = page(lists[show], order, request.GET.get("cursor"), PAGE)
    except BadCursor:
        return redirect(request.path)
    tabs = _tabs(request, lists, show)
    reported = show in {"alarms", "reported"}
    fetched = {} if reported else queries.fetched_by(shown.rows)
    context = {
        "active": "history",
        "show": show,
        "kpis": _tiles(queries.rates(None, None)),
        "reports": shown.rows if reported else [],
        "waiting": [] if reported else [(row, fetched.get(row.pk, [])) for row in shown.rows],
        "sees_notes": sees(reader_of(request), "outcomes.note"),
        "tabs": tabs,
        "total": next(tab["count"] for tab in tabs if tab["current"]),
        "shown": len(shown.rows),
        "window_days": queries.WINDOW.days,
        **page_urls(request, shown),
    }
    return render(request, "approvals/deployments.html", context)


def _tabs(request: HttpRequest, lists: dict[str, Any], show: str) -> list[dict[str, Any]]:
    return [
        {
            "label": label,
            "icon": icon,
            "kind": kind,
            "count": shown_count(queries.count(lists[key])),
            "url": with_parameters(request, show=key),
            "current": key == show,
        }
        for key, (label, icon, kind) in TABS.items()
    ]


def _tiles(after: queries.Rates) -> list[Tile]:
    """Return what the latest reports say; nothing where there are none."""
    if not after.outcomes:
        return []
    return [
        count_tile("Patches reported lately", after.outcomes),
        rate_tile("Deployed and still there", after.success),
        rate_tile("Approved, then went wrong", after.false_positives),
        time_tile("From arrival to production", after.mttr_seconds),
    ]
