"""What is over and read goes after a while, in small steps, so that nothing waits for a long delete."""

from datetime import datetime, timedelta

from postgresql.statements import query

KEPT = timedelta(days=30)
DEAD_KEPT = timedelta(days=90)
"""Deliveries that were given up, for somebody may still send them again."""
STEP = 1_000

DELIVERIES_SQL = """
with old as (
    (select id from notifications_delivery where state = 'delivered' and ended_at < %(kept)s limit %(step)s)
    union all
    (select id from notifications_delivery where state = 'dropped' and ended_at < %(kept)s limit %(step)s)
    union all
    (select id from notifications_delivery where state = 'dead' and ended_at < %(dead)s limit %(step)s)
)
delete from notifications_delivery where id in (select id from old) returning id
"""
ITEMS_SQL = """
delete from notifications_item where id in (
    select id from notifications_item where read_at < %(kept)s limit %(step)s
) returning id
"""
# Nobody has it in an inbox, and nothing of it is on its way.
NOTICES_SQL = """
delete from notifications_notice where id in (
    select id from notifications_notice notice
    where at < %(kept)s
        and not exists (select from notifications_item where notice_id = notice.id)
        and not exists (select from notifications_delivery where notice_id = notice.id)
    limit %(step)s
) returning id
"""


def tidy(now: datetime) -> int:
    """Delete one step of what is over: deliveries, read items of the inbox, notices that nobody has; return how many
    rows that were."""
    values = {"kept": now - KEPT, "dead": now - DEAD_KEPT, "step": STEP}
    return len(query(DELIVERIES_SQL, values)) + len(query(ITEMS_SQL, values)) + len(query(NOTICES_SQL, values))
