"""Keep how far each deployer is in the feed. A poll that says nothing new writes nothing."""

from datetime import datetime, timedelta

from approvals.models import ApiToken, TokenKind
from postgresql.statements import query_prepared

SPACING = timedelta(seconds=5)
"""How often a process keeps the position of a deployer that reads on, or that it is still there."""
MOST_KEPT = 1_000  # deployers that a process remembers before it begins anew

READ_SQL = """
insert into approvals_deployercursor (deployer, read, read_at, acknowledged) values (%s, %s, %s, 0)
on conflict (deployer) do update set read = excluded.read, read_at = excluded.read_at
returning deployer
"""
ACKNOWLEDGED_SQL = """
insert into approvals_deployercursor as cursor (deployer, acknowledged) values (%s, %s)
on conflict (deployer) do update set acknowledged = greatest(cursor.acknowledged, excluded.acknowledged)
returning deployer
"""
kept: dict[str, tuple[int, datetime]] = {}


def keep_read(token: ApiToken | None, after: int, *, caught_up: bool, now: datetime) -> None:
    """Keep that a deployer reads the feed after a position: at once where it has come to the end, else every `SPACING`
    in each process."""
    if token is None or token.kind != TokenKind.DEPLOYER:
        return
    position, at = kept.get(token.name, (None, now - SPACING))
    if now - at < SPACING and not (caught_up and position != after):
        return
    if len(kept) >= MOST_KEPT:
        kept.clear()
    kept[token.name] = (after, now)
    query_prepared(READ_SQL, [token.name, after, now])


def keep_acknowledged(deployer: str, position: int) -> None:
    """Keep the highest position that a deployer has acknowledged; in the caller's transaction."""
    query_prepared(ACKNOWLEDGED_SQL, [deployer, position])
