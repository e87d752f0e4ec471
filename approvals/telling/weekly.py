"""The weekly digest: what waits, what came and was decided in seven days, and how long it took, in plain words."""

from datetime import datetime, timedelta
from typing import Any

from approvals.models import Status, Waiting
from approvals.queries.queue import counted
from approvals.queries.summary import summary
from approvals.templatetags.clock_tags import duration
from approvals.templatetags.number_tags import shown_count
from notifications.services.digests import send_weekly, weekly_due

WEEK = timedelta(days=7)
ENDS = [Status.APPROVED, Status.AUTO_APPROVED, Status.REJECTED, Status.CHANGES_REQUESTED, Status.EXPIRED]


def tell_weekly(now: datetime) -> int:
    """Send the weekly digest to those for whom it is due now; return how many. Nothing is counted for nobody."""
    due = weekly_due(now)
    return send_weekly(due, facts_of_week(now), now) if due else 0


def facts_of_week(now: datetime) -> dict[str, Any]:
    """Return the facts of the digest: lines like those of the daily one."""
    queue = Waiting.objects.all()
    waiting, late = counted(queue), counted(queue.filter(sla_due_at__lte=now))
    week = summary(now - WEEK, now, now)
    ends = [f"{week[end]:,} {end.label.lower()}" for end in ENDS if week[end]]
    median = week["median_decision_time_seconds"]
    lines = [
        (f"{shown_count(waiting)} waiting, {shown_count(late)} of them later than their SLA", "/"),
        (f"{week['total_patches']:,} came in seven days: {', '.join(ends) or 'none is decided'}", "/history"),
        *([(f"Half of what people decided took them less than {duration(median)}", "/history")] if median else []),
    ]
    return {
        "headline": f"Your week: {week['total_patches']:,} came, {shown_count(waiting)} waiting",
        "link": "/",
        "items": [
            {"kind": "weekly_digest", "headline": text, "link": link, "why": "", "at": now.isoformat()}
            for text, link in lines
        ],
    }
