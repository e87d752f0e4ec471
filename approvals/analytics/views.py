"""The analytics page: the reference API's summary for a chosen period, decisions per day, time to decision."""

from datetime import datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from django.contrib.auth.decorators import login_required, permission_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils import timezone
from django.views.decorators.http import require_safe

from approvals.kpi_tiles import count_tile, rate_tile, time_tile
from approvals.permissions import VIEW_ANALYTICS
from approvals.queries.summary import numbers_of, summary
from approvals.queries.tallies import tallied

from . import charts, queries

PERIODS = {"7": "7 d", "28": "28 d", "90": "90 d"}
CLASSES = {"Approved": "d1", "Auto-approved": "d2", "Rejected": "hatch", "Expired, cancelled or superseded": "d5"}


@require_safe
@login_required
@permission_required(VIEW_ANALYTICS, raise_exception=True)
def analytics(request: HttpRequest) -> HttpResponse:
    """Tiles with the change against the period before, and a chart each with its table."""
    chosen = request.GET.get("days", "28")
    days = int(chosen if chosen in PERIODS else "28")
    until = timezone.now()
    zone = ZoneInfo(timezone.get_current_timezone_name())
    # Whole days of the reader's calendar, today among them: so many bars as the period has days.
    first = until.astimezone(zone).date() - timedelta(days=days - 1)
    since, before = (datetime.combine(day, time.min, zone) for day in (first, first - timedelta(days=days)))
    found = tallied(since, until, until)
    context = {
        "active": "analytics",
        "periods": [
            {"label": label, "url": f"{request.path}?days={key}", "current": int(key) == days}
            for key, label in PERIODS.items()
        ],
        "period_label": f"{since.astimezone(zone):%-d %b} to {until.astimezone(zone):%-d %b}, "
        f"compared with the {days} days before",
        "kpis": _tiles(numbers_of(found), summary(before, since, until)),
        "charts": [_decisions_per_day(since, until, zone), _time_to_decision(since, until)],
        "sla": queries.sla(found),
    }
    return render(request, "approvals/analytics.html", context)


def _tiles(now: dict[str, Any], before: dict[str, Any]) -> list[dict[str, Any]]:
    return [
        count_tile("Patches", now["total_patches"], before["total_patches"]),
        count_tile("Approved by people", now["approved"], before["approved"]),
        count_tile("Rejected", now["rejected"], before["rejected"]),
        time_tile("Median decision time", now["median_decision_time_seconds"], before["median_decision_time_seconds"]),
        time_tile("95 of 100 within", now["p95_decision_time_seconds"], before["p95_decision_time_seconds"]),
        rate_tile("SLA met", now["sla_compliance"], before["sla_compliance"]),
        rate_tile("Auto-approval rate", now["auto_approval_rate"], before["auto_approval_rate"]),
        rate_tile("ML accuracy", now["ml_accuracy"], before["ml_accuracy"]),
    ]


def _decisions_per_day(since: datetime, until: datetime, zone: ZoneInfo) -> dict[str, Any]:
    found = queries.per_day(since, until, zone)
    labels = [f"{day:%-d %b}" for day in found.days]
    return {
        "id": "chart-days",
        "title": "Decisions per day",
        "note": "",
        "svg": charts.stacked(
            labels, [(name, CLASSES[name], counts) for name, counts in found.series.items()], labelled_by="chart-days"
        ),
        "legend": [{"label": name, "class": CLASSES[name]} for name in found.series],
        "table": {
            "head": ["Day", *found.series],
            "rows": [
                [label, *(counts[position] for counts in found.series.values())]
                for position, label in enumerate(labels)
            ],
        },
    }


def _time_to_decision(since: datetime, until: datetime) -> dict[str, Any]:
    bins = queries.durations(since, until)
    edges = [_minutes(bound) for bound in queries.MINUTES]
    names = [
        f"up to {edges[0]}",
        *(f"{low} to {high}" for low, high in zip(edges, edges[1:], strict=False)),
        f"over {edges[-1]}",
    ]
    return {
        "id": "chart-time",
        "title": "Time to decision",
        "note": f"{sum(bins):,} decisions by people",
        "svg": charts.histogram(edges, bins, labelled_by="chart-time"),
        "legend": [],
        "table": {"head": ["Time", "Decisions"], "rows": [list(row) for row in zip(names, bins, strict=True)]},
    }


def _minutes(bound: int) -> str:
    if bound < 60:
        return f"{bound} min"
    return f"{bound // 60} h" if bound < 1440 else f"{bound // 1440} d"
