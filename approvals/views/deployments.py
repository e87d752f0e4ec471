"""The page of deployments: what is approved and not deployed, what raised an alarm, what deployers reported, and how
far each deployer is in the feed."""

from collections.abc import Callable
from datetime import datetime
from typing import Any

from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.views.decorators.http import require_safe

from approvals.deployments_form import DeploymentsForm
from approvals.kpi_tiles import Tile, count_tile, rate_tile, time_tile
from approvals.policy.visible_fields import sees
from approvals.queries import deployments as queries
from approvals.queries.deployers import deployers
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
COUNTED = {
    "outcomes": "Patches reported lately",
    "stands": "Deployed and still there",
    "went-wrong": "Approved, then went wrong",
    "repaired": "From arrival to production",
}
"""The lists behind the tiles, which have no tab of their own until one is opened."""
List = Callable[[], QuerySet[Any]]


@require_safe
@viewers
@varies
def deployments(request: HttpRequest) -> HttpResponse:
    """One list a tab, with its number; rates of the latest reports above, each with the list that it counts."""
    now, show, form = timezone.now(), request.GET.get("show", ""), DeploymentsForm(request.GET)
    lists = _lists(form.filters(), now)
    if show not in lists:
        return redirect(request.path)
    order = queries.NEWEST_FIRST if show in {"alarms", "reported"} else queries.OLDEST_FIRST
    try:
        shown = page(lists[show](), order, request.GET.get("cursor"), PAGE)
    except BadCursor:
        return redirect(request.path)
    tabs = _tabs(request, lists, show)
    context = {
        "active": "history",
        "show": show,
        "form": form,
        "filters_active": form.filters().active(),
        "kpis": _tiles(request, queries.rates(None, None)),
        "deployers": [(one, one.seconds_behind(now)) for one in deployers()],
        "sees_notes": sees(reader_of(request), "outcomes.note"),
        "tabs": tabs,
        "total": next(tab["count"] for tab in tabs if tab["current"]),
        "shown": len(shown.rows),
        "window_days": queries.WINDOW.days,
        **_rows(show, shown.rows),
        **page_urls(request, shown),
    }
    return render(request, "approvals/deployments.html", context)


def _lists(filters: queries.Filters, now: datetime) -> dict[str, List]:
    """Return each list by its name in the address, narrowed."""
    counted = {
        name: lambda name=name: queries.of_approvals(queries.counted_in(name), filters, now)
        for name in queries.OUTCOMES
    }
    return {
        "": lambda: queries.of_approvals(queries.not_deployed(now), filters, now),
        "never-fetched": lambda: queries.of_approvals(queries.never_fetched(now), filters, now),
        "alarms": lambda: queries.of_alarms(queries.alarms(), filters, now),
        "reported": lambda: queries.of_reports(queries.reports(), filters, now),
        **counted,
    }


def _rows(show: str, rows: list[Any]) -> dict[str, Any]:
    """Return the rows of a page as their table draws them."""
    if show == "alarms":
        return {"reports": [(alarm.decision, alarm.report, alarm, alarm.raised_at) for alarm in rows]}
    if show == "reported":
        return {"reports": [(report.decision, report, None, report.deployed_at) for report in rows]}
    fetched, approved = queries.fetched_by(rows), queries.approved_by(rows)
    return {"waiting": [(row, approved.get(row.pk, []), fetched.get(row.pk, [])) for row in rows]}


def _tabs(request: HttpRequest, lists: dict[str, List], show: str) -> list[dict[str, Any]]:
    """Return the tabs with their numbers; the list behind a tile has one while it is shown."""
    tabs = TABS | ({show: (COUNTED[show], "chart", "")} if show in COUNTED else {})
    return [
        {
            "label": label,
            "icon": icon,
            "kind": kind,
            "count": shown_count(queries.count(lists[key]())),
            "url": with_parameters(request, show=key, **({} if key == "alarms" else {"alarm": ""})),
            "current": key == show,
        }
        for key, (label, icon, kind) in tabs.items()
    ]


def _tiles(request: HttpRequest, after: queries.Rates) -> list[Tile]:
    """Return what the latest reports say, each with the address of the list that it counts; nothing where there are
    none."""
    if not after.outcomes:
        return []
    tiles = {
        "outcomes": count_tile(COUNTED["outcomes"], after.outcomes),
        "stands": rate_tile(COUNTED["stands"], after.success),
        "went-wrong": rate_tile(COUNTED["went-wrong"], after.false_positives),
        "repaired": time_tile(COUNTED["repaired"], after.mttr_seconds),
    }
    return [tile | {"url": f"{request.path}?show={show}"} for show, tile in tiles.items()]
