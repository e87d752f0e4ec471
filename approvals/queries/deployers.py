"""The deployers with a token that was not revoked (it may have run out, which is why nobody comes): how far each is in
the feed, how far behind, and when it was last seen."""

from dataclasses import dataclass
from datetime import datetime

from postgresql.statements import query

MOST = 100
"""So many are listed and measured, those that are furthest behind first."""

# Positions have no gaps, so what a deployer has not read yet begins at the next one.
DEPLOYERS_SQL = """
select deployer.name, cursor.read, cursor.acknowledged, greatest(deployer.used_at, cursor.read_at),
    greatest(0, feed.newest - greatest(cursor.read, cursor.acknowledged)),
    next.at
from (
    select name, max(last_used_at) as used_at from approvals_apitoken
    where kind = 'deployer' and revoked_at is null
    group by name
) deployer
cross join (select coalesce(max(position), 0) as newest from approvals_feedentry) feed
left join approvals_deployercursor cursor on cursor.deployer = deployer.name
left join approvals_feedentry next
    on cursor.read is not null and next.position = greatest(cursor.read, cursor.acknowledged) + 1
order by next.at nulls last, deployer.name
limit %(limit)s
"""
# Fetches are kept from that migration on: what was fetched before looks as if it never was.
EXPECTED_SINCE_SQL = """
select greatest(min(token.created_at), min(fetches.applied))
from approvals_apitoken token, django_migrations fetches
where token.kind = 'deployer' and token.revoked_at is null
    and fetches.app = 'approvals' and fetches.name = '0049_outcomes'
"""


@dataclass(frozen=True, slots=True)
class Deployer:
    """One deployer. `read` is the position it last read after, None where it does not follow the feed: then it is
    behind nothing. `waiting_since` is when the first item that it has not read came."""

    name: str
    read: int | None
    acknowledged: int | None
    seen_at: datetime | None
    behind: int | None
    waiting_since: datetime | None

    def seconds_behind(self, now: datetime) -> float:
        """Return how long the first item that it has not read has waited, 0 where there is none."""
        return max(0.0, (now - self.waiting_since).total_seconds()) if self.waiting_since else 0.0


def deployers() -> list[Deployer]:
    """Return up to `MOST` deployers, the one that is furthest behind first; one query."""
    return [Deployer(*row) for row in query(DEPLOYERS_SQL, {"limit": MOST})]


def expected_since() -> datetime | None:
    """Return since when a deployer could have fetched what is approved, and it would be known; None where no deployer
    has a token that was not revoked."""
    [(since,)] = query(EXPECTED_SINCE_SQL)
    return since  # type: ignore[no-any-return]
