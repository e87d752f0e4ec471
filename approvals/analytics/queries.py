"""What the analytics page counts: decisions per day, time to decision, SLA by priority."""

from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from approvals.models import Priority
from approvals.queries.tallies import Tallied, of_days
from postgresql.statements import query

MINUTES = (1, 5, 10, 15, 30, 60, 240, 1440)
"""Upper bounds of the time-to-decision bins, in minutes; the last bin is open. The database's tallies have the same."""
QUARTER = timedelta(minutes=15)
"""In all time zones a day begins with one."""

# What was decided in whole quarters of an hour or days stands in the tallies; the rest of the period is read by row, as
# is what the sequencer has not added yet.
DECIDED_SQL = """
with changed as (
    select false as at_the_end, change from approvals_tallychange change where decided_at is not null
    union all
    select true,
        row(1, created_at, priority, status, decided_by_kind, decided_at, sla_due_at, null)::approvals_tallychange
    from approvals_decision
    where status <> 'pending'
      and (decided_at >= (%(starts)s::timestamptz[])[1] and decided_at < (%(ends)s::timestamptz[])[1]
           or decided_at >= (%(starts)s::timestamptz[])[2] and decided_at < (%(ends)s::timestamptz[])[2])
), part as (
    select at, name, number, amount from approvals_tally
    where series = %(series)s and at between %(first)s::timestamptz and %(last)s::timestamptz
    union all
    select part.at, part.name, part.number, part.amount from changed, approvals_tally_of(change) part
    where series = %(series)s and (at_the_end or at between %(first)s and %(last)s)
)
select (at at time zone %(zone)s)::date as day, name, number, sum(amount)::bigint from part group by 1, 2, 3
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
    period = of_days(since, until, QUARTER) | {"series": "outcome", "zone": zone.key}
    for day, outcome, _, count in query(DECIDED_SQL, period):
        name = next(name for name, outcomes in SERIES.items() if outcome in outcomes)
        series[name][(day - first).days] += count
    return Days(days, series)


def durations(since: datetime, until: datetime) -> list[int]:
    """Count people's decisions per bin of MINUTES, one more bin than bounds."""
    bins = [0] * (len(MINUTES) + 1)
    period = of_days(since, until) | {"series": "minutes", "zone": "UTC"}
    for _, _, position, count in query(DECIDED_SQL, period):
        bins[position] += count
    return bins


def sla(found: Tallied) -> list[dict[str, Any]]:
    """Return, per priority, how many patches that arrived in the period met their SLA, of those it has run for; those
    late that still wait are among them and counted by themselves. The same patches as `sla_compliance` of the summary.
    """
    rows = []
    for priority in reversed(Priority):
        met, missed = (found.counts.get(("sla", name, priority), 0) for name in ("met", "missed"))
        waiting = found.counts.get(("late", "", priority), 0)
        total = met + missed + waiting
        percent = met * 100 // total if total else None
        rows.append({"priority": priority, "met": met, "total": total, "percent": percent, "waiting": waiting})
    return rows
