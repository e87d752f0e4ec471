"""What the analytics page counts: decisions per day, time to decision, SLA by priority."""

from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from approvals.models import NO_DEADLINE, Priority
from postgresql.statements import query

MINUTES = (1, 5, 10, 15, 30, 60, 240, 1440)
"""Upper bounds of the time-to-decision bins, in minutes; the last bin is open."""

PER_DAY_SQL = """
select (decided_at at time zone %(zone)s)::date as day,
       case when status = 'revoked' then decided_by_kind else status end as outcome, count(*)
from approvals_decision
where status <> 'pending' and decided_at >= %(since)s and decided_at < %(until)s
group by 1, 2
"""

DURATIONS_SQL = """
select width_bucket(extract(epoch from decided_at - created_at)::float / 60, %(bounds)s::float[]), count(*)
from approvals_decision
where status <> 'pending' and decided_by_kind = 'human' and decided_at >= %(since)s and decided_at < %(until)s
group by 1
"""

# The same patches as `sla_compliance` of the summary: those people decided, and those nobody did in time.
SLA_SQL = """
select priority, count(*) filter (where coalesce(decided_at, %(now)s) <= sla_due_at), count(*),
       count(*) filter (where status = 'pending')
from approvals_decision
where created_at >= %(since)s and created_at < %(until)s and sla_due_at < %(never)s
  and ((decided_by_kind = 'human' and status <> 'cancelled') or coalesce(decided_at, %(now)s) > sla_due_at)
group by priority
"""

SERIES = {
    "Approved": {"approved", "human"},
    "Auto-approved": {"auto_approved", "policy"},
    "Rejected": {"rejected", "changes_requested"},
    "Expired, cancelled or superseded": {"expired", "cancelled", "superseded"},
}


@dataclass(frozen=True, slots=True)
class Days:
    """Decisions per day: the days in order and, per series, one count a day."""

    days: list[date]
    series: dict[str, list[int]]


def per_day(since: datetime, until: datetime, zone: ZoneInfo) -> Days:
    """Count what was decided on each day of the reader's calendar, by outcome; an approval later revoked was one."""
    first, last = since.astimezone(zone).date(), (until - timedelta(microseconds=1)).astimezone(zone).date()
    days = [first + timedelta(days=number) for number in range((last - first).days + 1)]
    series = {name: [0] * len(days) for name in SERIES}
    for day, outcome, count in query(PER_DAY_SQL, {"zone": zone.key, "since": since, "until": until}):
        name = next(name for name, outcomes in SERIES.items() if outcome in outcomes)
        series[name][(day - first).days] += count
    return Days(days, series)


def durations(since: datetime, until: datetime) -> list[int]:
    """Count people's decisions per bin of MINUTES, one more bin than bounds."""
    bins = [0] * (len(MINUTES) + 1)
    for position, count in query(DURATIONS_SQL, {"bounds": list(MINUTES), "since": since, "until": until}):
        bins[position] += count
    return bins


def sla(since: datetime, until: datetime) -> list[dict[str, Any]]:
    """Return, per priority, how many patches that arrived in the period met their SLA, of those it has run for; those
    late that still wait are among them and counted by themselves."""
    period = {"never": NO_DEADLINE, "since": since, "until": until, "now": until}
    found = {row[0]: row[1:] for row in query(SLA_SQL, period)}
    rows = []
    for priority in reversed(Priority):
        met, total, waiting = found.get(priority, (0, 0, 0))
        percent = met * 100 // total if total else None
        rows.append({"priority": priority, "met": met, "total": total, "percent": percent, "waiting": waiting})
    return rows
