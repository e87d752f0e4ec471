"""What is counted of the patches that arrived in a period, at a cost that does not grow with them: whole days are kept
as tallies, and only what is left of the days at both ends is read row by row."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from approvals.models import NO_DEADLINE
from postgresql.statements import query

LONG_AGO = datetime.fromisoformat("1970-01-01T00:00:00+00:00")
DAY, HOUR = timedelta(days=1), timedelta(hours=1)
ALWAYS = "-infinity"
"""As which all days together are kept."""

# Tallies, the changes that the sequencer has not added yet, and the rows at both ends, all as of one moment. Who still
# waits is late by the hours that are over, and in this hour by the queue's rows. The exact time at a rank is found in
# the index, among those that are alike.
TALLIED_SQL = """
with edge as (
    select * from unnest(%(starts)s::timestamptz[], %(ends)s::timestamptz[]) edge (starts, ends)
), changed as (
    select false as at_the_end, change from approvals_tallychange change
    union all
    select true,
        row(1, created_at, priority, status, decided_by_kind, decided_at, sla_due_at, null)::approvals_tallychange
    from edge join approvals_decision on created_at >= edge.starts and created_at < edge.ends
    union all
    select true,
        row(1, created_at, null, null, null, null, null, ml_prediction = (wargaming = 'passed'))::approvals_tallychange
    from approvals_patch
    where (created_at >= (%(starts)s::timestamptz[])[1] and created_at < (%(ends)s::timestamptz[])[1]
           or created_at >= (%(starts)s::timestamptz[])[2] and created_at < (%(ends)s::timestamptz[])[2])
      and ml_prediction is not null and wargaming in ('passed', 'failed')
), part as (
    select series, name, number, amount from approvals_tally
    where series in ('status', 'took', 'microseconds', 'agrees', 'sla', 'due')
      and at between %(first)s::timestamptz and %(last)s::timestamptz
    union all
    select part.series, part.name, part.number, part.amount from changed, approvals_tally_of(change) part
    where series not in ('outcome', 'minutes')
      and case when at_the_end then at > '-infinity' else at between %(first)s and %(last)s end
), summed as materialized (
    select series, name, number, sum(amount)::bigint as amount from part group by 1, 2, 3
), took as (
    select number as alike, amount, sum(amount) over (order by number) - amount as before, sum(amount) over () as total
    from summed where series = 'took' and amount > 0
), ranked as (
    select share, exact, rank, alike, rank - before as place
    from took, unnest('{0.5,0.95}'::float8[]) share, lateral (select share * (total - 1) as exact) at_share,
        lateral (select distinct rank from unnest(array[floor(exact), ceil(exact)]) rank) at_rank
    where rank >= before and rank < before + amount
)
select series, name, number, amount::float8, 0::float8 from summed where series not in ('took', 'due')
union all
select 'people', '', 0, coalesce(sum(amount), 0), 0 from took
union all
select 'late', '', mod(number, 10), sum(amount), 0 from summed
where series = 'due' and number / 10 < extract(epoch from %(hour)s::timestamptz) / 3600 group by 3
union all
select 'late', '', priority, count(*), 0 from approvals_waiting
where sla_due_at >= %(hour)s and sla_due_at <= %(now)s and sla_due_at < %(never)s
  and created_at >= %(since)s and created_at < %(until)s group by 3
union all
select 'rank', share::text, 0, (
    select extract(epoch from decided_at - created_at)::float8 from approvals_decision
    where decided_by_kind = 'human' and status <> 'cancelled' and approvals_took(decided_at - created_at) = alike
      and created_at >= %(since)s and created_at < %(until)s
    order by decided_at - created_at offset place limit 1
), exact - rank
from ranked order by 1, 2, 5 desc
"""


@dataclass(frozen=True, slots=True)
class Tallied:
    """What is counted of a period: counts by (series, name, priority), and people's decision times in seconds by the
    share of decisions that took at most as long."""

    counts: dict[tuple[str, str, int], int]
    seconds: dict[float, float]

    def total(self, series: str, name: str | None = None) -> int:
        """Return the count of a series, or of one name in it, over all priorities."""
        return sum(count for (of, by, _), count in self.counts.items() if of == series and name in (None, by))


def tallied(since: datetime | None, until: datetime | None, now: datetime) -> Tallied:
    """Count the patches that arrived in [since, until) as they are, and as late as they are at `now`; one query."""
    start, end = (min(max(at, LONG_AGO), NO_DEADLINE) for at in (since or LONG_AGO, until or NO_DEADLINE))
    period = {"since": start, "until": end, "now": now, "hour": whole(now, HOUR), "never": NO_DEADLINE}
    period |= of_days(start, end) if since or until else EVER
    counts: dict[tuple[str, str, int], int] = {}
    ranks: dict[float, list[tuple[float, float]]] = {}
    for series, name, number, amount, above in query(TALLIED_SQL, period):
        if series == "rank":
            ranks.setdefault(float(name), []).append((amount, above))
        else:
            counts[series, name, number] = counts.get((series, name, number), 0) + int(amount)
    return Tallied(counts, {share: _between(found) for share, found in ranks.items()})


def _between(found: list[tuple[float, float]]) -> float:
    """Return the time at a rank that may lie between two (PostgreSQL's percentile_cont)."""
    (low, above), (high, _) = found[0], found[-1]
    return low + (high - low) * above


EVER: dict[str, Any] = {"first": ALWAYS, "last": ALWAYS, "starts": [], "ends": []}


def of_days(since: datetime, until: datetime, step: timedelta = DAY) -> dict[str, Any]:
    """Return the whole days (or other steps) of a period, from the first to the last, and what is left of it at both
    ends, [starts, ends)."""
    first, after = whole(since, step), whole(until, step)
    first += step if first < since else NO_TIME
    edges = [(since, first), (after, until)] if first <= after else [(since, until)]
    edges = [(starts, ends) for starts, ends in edges if starts < ends]
    return {
        "first": first,
        "last": after - step,
        "starts": [starts for starts, _ in edges],
        "ends": [ends for _, ends in edges],
    }


NO_TIME = timedelta()


def whole(at: datetime, step: timedelta) -> datetime:
    """Return when the day, hour or quarter of an hour of a time began, in UTC."""
    return LONG_AGO + (at - LONG_AGO) // step * step
