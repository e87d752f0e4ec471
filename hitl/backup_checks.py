"""What is counted when a backup is made, and what must hold in a database that was restored from it."""

from collections.abc import Iterator, Mapping
from typing import Any

import psycopg
from psycopg import sql

from audit import tree

Connection = psycopg.Connection[tuple[Any, ...]]
LEFT_OUT = ("django_session", "usersessions_usersession")
"""Their rows are in no backup: whoever reads the file would be signed in as somebody, and people sign in again."""

TABLES_SQL = """
select tablename from pg_tables where schemaname = 'public' and tablename <> all(%s) order by tablename
"""
DECIDED_SQL = "select count(*) from public.approvals_decision where status <> 'pending'"
PLACES_SQL = """
select leaf_hash from public.audit_leaf leaf join public.audit_entry entry on entry.id = leaf.entry_id order by seq
"""
FEED_SQL = "select coalesce(max(position), 0) from public.approvals_feedentry"
MIGRATIONS_SQL = "select app || '.' || name from public.django_migrations order by 1"

# Each finds what breaks it, in words or numbers that say where to look.
WITHOUT_ENTRY_SQL = """
select decision_id::text, status from public.approvals_decision decision
where status <> 'pending' and not exists (
    select from public.audit_entry
    where object_type = 'decision' and object_id = decision_id::text and type = 'decision.' || status)
"""
CHAIN_SQL = """
select object_type || ' ' || object_id, object_n from (
    select object_type, object_id, object_n, convert_from(body, 'UTF8')::jsonb #>> '{object,prev}' as named,
        encode(lag(leaf_hash) over object, 'hex') as previous, row_number() over object as n
    from public.audit_entry where object_n is not null
    window object as (partition by object_type, object_id order by object_n)) chain
where named is distinct from previous or n <> object_n
"""
PLACELESS_SQL = """
select 'entry ' || entry.id from public.audit_entry entry
where 1 <> (select count(*) from public.audit_leaf where entry_id = entry.id)
    + (select count(*) from public.audit_pending where entry_id = entry.id)
union all
select 'places ' || min(seq) || ' to ' || max(seq) from public.audit_leaf
having count(*) > 0 and (min(seq) <> 0 or max(seq) + 1 <> count(*))
"""
FAULTS = {
    "Every decided decision has its entry": WITHOUT_ENTRY_SQL,
    "Every entry names the hash of the one before it, and none is missing": CHAIN_SQL,
    "Every entry has one place in the log or waits for it, and no place is empty": PLACELESS_SQL,
}
WEBHOOK_SECRETS_SQL = "select unnest(secrets) from public.notifications_endpoint"
SECRETS_SQL = """
select data ->> coalesce(case when data ? 'secret' then 'secret' end, 'seed') from public.mfa_authenticator
where data ?| array['secret', 'seed']
"""


def numbers(connection: Connection) -> dict[str, Any]:
    """Return what a manifest says of the contents, as of the connection's transaction: rows of each table, decided
    decisions, places and root of the log, the last position of the feed, migrations."""
    tables = [table for (table,) in connection.execute(TABLES_SQL, [list(LEFT_OUT)])]
    count = sql.SQL("select count(*) from public.{}")
    with connection.transaction(), connection.cursor(name="places") as places:
        places.itersize = 10_000
        root = tree.root(leaf for (leaf,) in places.execute(PLACES_SQL))
    return {
        "rows": {table: _one(connection, count.format(sql.Identifier(table))) for table in tables},
        "decided": _one(connection, DECIDED_SQL),
        "log_root": root.hex(),
        "feed_position": _one(connection, FEED_SQL),
        "migrations": [name for (name,) in connection.execute(MIGRATIONS_SQL)],
    }


def checked(connection: Connection, manifest: Mapping[str, Any]) -> Iterator[tuple[bool, str]]:
    """Yield for each check whether it holds and the sentence that says so."""
    found = numbers(connection)
    rows, wanted = found["rows"], manifest["rows"]
    differ = [f"{name} {rows.get(name, 'no table')} instead of {count}" for name, count in wanted.items()
              if rows.get(name) != count]  # fmt: skip
    entries, decided = rows.get("audit_entry"), found["decided"]
    yield (
        not differ,
        f"Rows are not those of the manifest: {', '.join(differ)}."
        if differ
        else f"All {len(wanted)} tables have the rows of the manifest: {entries} entries, {decided} decided decisions.",
    )
    for sentence, query in FAULTS.items():
        broken = connection.execute(query).fetchall()
        such = f": not so {len(broken)} times, first {' '.join(map(str, broken[0]))}." if broken else "."
        yield not broken, sentence + such
    same = found["log_root"] == manifest["log_root"]
    yield (
        same,
        f"The log's {rows.get('audit_leaf')} places have the root {found['log_root'][:16]}… of the manifest."
        if same
        else f"The log's root is {found['log_root']}, not {manifest['log_root']}: an entry is not what it was.",
    )


def secrets(connection: Connection) -> list[str]:
    """Return the encrypted secrets of second factors."""
    return [secret for (secret,) in connection.execute(SECRETS_SQL)]


def webhook_secrets(connection: Connection) -> list[str]:
    """Return the encrypted secrets of webhooks; a backup of an older release has none."""
    there = connection.execute("select to_regclass('public.notifications_endpoint') is not null").fetchone()
    return [secret for (secret,) in connection.execute(WEBHOOK_SECRETS_SQL)] if there and there[0] else []


def _one(connection: Connection, query: Any) -> Any:
    row = connection.execute(query).fetchone()
    return row[0] if row else None
