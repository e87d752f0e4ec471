"""A database that PostgreSQL takes for one with a million rows in each table that grows: narrow copies of a few real
rows, by SQL, in seconds."""

from collections.abc import Mapping
from typing import Any

from django.db import connection

from approvals.models import Decision

ROWS = 40_000
TAKEN_FOR = 1_000_000
PENDING = ROWS // 10  # the newest of them
TABLES = (
    "approvals_patch",
    "approvals_decision",
    "approvals_waiting",
    "approvals_review",
    "audit_entry",
    "audit_context",
    "audit_leaf",
)

# What differs from the row that is copied, by column; `n` counts from 1, the newest.
FIRST = 10_000_000  # beyond what the sequences have given to other tests of this process
KEY = f"{ROWS} + {FIRST} - n"
ARRIVED = f"now() - n * interval '700 days' / {ROWS}"
STATUS = "(array['approved', 'approved', 'approved', 'auto_approved', 'revoked', 'expired', 'superseded'])[n % 7 + 1]"
KIND = "(array['human', 'human', 'human', 'policy', 'human', 'timer', 'service'])[n % 7 + 1]"
PACKAGE = "'package' || n % 1000"
PATCH = {
    "id": KEY,
    "patch_id": "'MANY-' || n",
    "cve_ids": "array['CVE-2024-' || n]",
    "vulnerability_ids": "array['CVE-2024-' || n - n % 4]",
    "cwe_ids": "array['CWE-' || n % 200]",
    "package_name": PACKAGE,
    "ecosystem": "(array['npm', 'pypi', 'go', 'maven'])[n % 4 + 1]",
    "sha256": "'of ' || n",
    "change_sha256": "'lines ' || n",
    "change_spaceless_sha256": "null",
    "ml_prediction": "n % 3 = 0",
    "wargaming": "(array['passed', 'failed', 'not_run'])[n % 3 + 1]",
    "search_text": f"'cve 2024 ' || n || ' ' || {PACKAGE} || case when n % 3 = 0 then ' third' else '' end",
    "created_at": ARRIVED,
}
OPEN = {
    "id": KEY,
    "decision_id": "gen_random_uuid()",
    "patch_id": KEY,
    "priority": "n % 4 + 1",
    "created_at": ARRIVED,
    "sla_warn_at": f"{ARRIVED} + interval '50 minutes'",
    "sla_due_at": f"{ARRIVED} + interval '1 hour'",
}
ENDED = OPEN | {
    "status": STATUS,
    "decided_by_kind": KIND,
    "decided_at": f"{ARRIVED} + (30 + n % 7000) * interval '1.003 seconds'",
}
WAITING = {
    "decision_id": KEY,
    **{name: OPEN[name] for name in ("priority", "created_at", "sla_warn_at", "sla_due_at")},
    **{name: PATCH[name] for name in ("cwe_ids", "package_name", "ecosystem", "sha256", "wargaming")},
    "search": f"to_tsvector('simple', {PATCH['search_text']})",
}
REVIEW = {"id": KEY, "decision_id": KEY, "created_at": ARRIVED}
ENTRY = {
    "id": f"n + {FIRST}",
    "uuid": "gen_random_uuid()",
    "at": f"now() - ({ROWS} - n) * interval '700 days' / {ROWS}",
    "actor_id": "'service:' || n % 10",
    "object_id": "lpad(to_hex(n / 4), 32, '0')::uuid::text",
    "object_n": "n % 4",
}
CONTEXT = {
    "entry_id": f"n + {FIRST}",
    "actor_label": "'service' || n % 10",
    "object_label": f"'CVE-2024-' || n || ' ' || {PACKAGE}",
}
LEAF = {"seq": f"n + {FIRST}", "entry_id": f"n + {FIRST}"}


def fill(pending: Decision, ended: Decision) -> None:
    """Copy what these two decisions consist of `ROWS` times, past triggers, and let PostgreSQL take it for more and for
    vacuumed. Indexes are built again at the end, which is faster."""
    with connection.cursor() as cursor:
        cursor.execute("set constraints all immediate")
        dropped = _drop_indexes(cursor)
        for table in TABLES:
            cursor.execute(f"alter table {table} disable trigger all")
        one = f"id = {pending.pk}"
        copy(cursor, "approvals_patch", f"id = {pending.patch_id}", 1, ROWS, PATCH)
        copy(cursor, "approvals_decision", one, 1, PENDING, OPEN)
        copy(cursor, "approvals_decision", f"id = {ended.pk}", PENDING + 1, ROWS, ENDED)
        copy(cursor, "approvals_waiting", f"decision_id = {pending.pk}", 1, PENDING, WAITING)
        copy(cursor, "approvals_review", f"decision_id = {ended.pk}", PENDING + 1, ROWS, REVIEW)
        entry = f"(select min(id) from audit_entry where object_id = '{pending.decision_id}')"
        copy(cursor, "audit_entry", f"id = {entry}", 1, ROWS, ENTRY)
        copy(cursor, "audit_context", f"entry_id = {entry}", 1, ROWS, CONTEXT)
        copy(cursor, "audit_leaf", f"entry_id = {entry}", 1, ROWS, LEAF)
        for table in TABLES:
            cursor.execute(f"alter table {table} enable trigger all")
        for definition in dropped:
            cursor.execute(definition)
        cursor.execute("select approvals_tally_refill()")
        cursor.execute(f"analyze {', '.join(TABLES)}, approvals_tally")
        cursor.execute(
            "select pg_restore_relation_stats('schemaname', 'public', 'relname', relname::text,"
            " 'relpages', relpages, 'reltuples', (reltuples * %s)::real, 'relallvisible', relpages)"
            " from pg_class where relname = any(%s)",
            [TAKEN_FOR / ROWS, list(TABLES)],
        )


def copy(cursor: Any, table: str, which: str, first: int, last: int, changed: Mapping[str, str]) -> None:
    """Insert a row of a table again for each `n` from `first` to `last`, with these columns otherwise."""
    cursor.execute(
        "select column_name from information_schema.columns"
        " where table_schema = 'public' and table_name = %s and is_generated = 'NEVER'",
        [table],
    )
    names = [name for (name,) in cursor.fetchall()]
    assert set(changed) <= set(names), set(changed) - set(names)
    columns = ", ".join(f'"{name}"' for name in names)
    values = ", ".join(changed.get(name, f'model."{name}"') for name in names)
    cursor.execute(
        f"insert into {table} ({columns}) overriding system value select {values}"
        f" from {table} model, generate_series({first}, {last}) n where {which}"
    )


def _drop_indexes(cursor: Any) -> list[str]:
    """Drop what is no constraint and return how to make it again."""
    cursor.execute(
        "select indexrelid::regclass::text, pg_get_indexdef(indexrelid) from pg_index"
        " where indrelid::regclass::text = any(%s)"
        " and not exists (select from pg_constraint where conindid = indexrelid)",
        [list(TABLES)],
    )
    found = cursor.fetchall()
    for name, _ in found:
        cursor.execute(f"drop index {name}")
    return [definition for _, definition in found]
