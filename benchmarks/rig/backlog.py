"""Fill an empty database with a backlog: three years of patches modelled on real ones, all but the pending decided.

Rows come from SQL because a million through intake take an hour. What was sent is a real patch's, what varies (package,
CVE, CWE, severity, evidence, clocks, outcome) is drawn with a fixed seed. Entries and feed are left out: no list reads
them.
"""

import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import datetime
from typing import Any

import psycopg
from django.db.models import GeneratedField, Model

from approvals.models import NO_DEADLINE, Decision, Patch, PatchContent, PatchView, Review, Revocation, Text
from approvals.queries import keyset
from approvals.queries.queue import ORDERS as ORDERS

SMALL_DIFF = 2_000  # bytes: a million real diffs of every size would be 9 GB that no list reads
AT_ONCE = 2  # statements, for the two cores of the machine these figures are meant for
STEP = 3  # every third of the youngest patches is pending, so that pending ones lie between decided ones
MODELS = "bench_model"
WRITTEN = (Patch, PatchContent, Text, Decision, Revocation, Review, PatchView)
PRODUCERS = ("forge", "bumper", "fixer", "backporter", "triage-bot", "vendor-feed")

COPY_OUT = f"""
copy (
    select row_number() over (order by p.id) - 1 as place, title, description, references_, package, repository, p.size,
        p.sha256, p.document_sha256, p.file_count, p.additions, p.deletions, p.parsed, p.parse_warnings, c.diff
    from approvals_patch p join approvals_patchcontent c on c.patch_id = p.id,
    lateral (select p."references" as references_, coalesce(nullif(p.package_name, ''),
             split_part(p.repository, '/', 2)) as package) named
    where p.size <= {SMALL_DIFF}
) to stdout
"""
MODEL_TABLE = f"""
create unlogged table {MODELS} (
    place int, title text, description text, "references" jsonb, package text, repository text, size int, sha256 text,
    document_sha256 text, file_count int, additions int, deletions int, parsed bool, parse_warnings jsonb, diff bytea
)
"""

# What is drawn for each patch, once, so that patch, decision and review agree.
ROWS = """
create unlogged table bench_row as
select dice.*, ('{low,medium,high,critical}'::text[])[priority] as severity,
    case when unscored then null else round((1 - power(c, 2) * 0.6)::numeric, 3)::float8 end as confidence,
    case when unscored then null else d < 0.85 end as prediction,
    case when e < 0.50 then 'passed' when e < 0.62 then 'failed' when e < 0.70 then 'inconclusive'
         when e < 0.73 then 'error' else 'not_run' end as wargaming,
    case when waits then 'pending' when f < 0.55 then 'approved' when f < 0.60 then 'auto_approved'
         when f < 0.75 then 'rejected' when f < 0.85 then 'changes_requested' when f < 0.90 then 'expired'
         when f < 0.93 then 'cancelled' when f < 0.98 then 'superseded' else 'revoked' end as status,
    case when i < 0.4 then %(never)s
         when waits then %(now)s + (random() - 0.25) * interval '1 day'
         else at + interval '1 day' * random() end as due,
    at + interval '3 days' * power(random(), 3) as decided
from (
    select n, at, waits, b < 0.2 as unscored, c, d, e, f, g, h, i, j, k, l, mod(n, %(models)s) as place,
        case when a < 0.05 then 4 when a < 0.25 then 3 when a < 0.70 then 2 else 1 end as priority
    from (
        select n, %(now)s - interval '1095 days' * (1 - n::float8 / %(patches)s) as at,
            mod(%(patches)s - n, %(step)s) = 0 and (%(patches)s - n) / %(step)s < %(pending)s as waits,
            random() as a, random() as b, random() as c, random() as d, random() as e, random() as f, random() as g,
            random() as h, random() as i, random() as j, random() as k, random() as l
        from generate_series(1, %(patches)s) n
    ) thrown
) dice
"""

FROM_ROWS = f"""
from bench_row r join {MODELS} m on m.place = r.place,
lateral (
    select 1 + floor(10 * power(r.g, 1.8))::int as world, m.package || '-' || floor(60 * power(r.h, 3)) as package,
        'CVE-' || 2020 + mod(r.n, 6) || '-' || 10000 + r.n / 3 as cve,
        case when r.j < 0.1 then '{{}}'::text[] else array['CWE-' || (array[79, 89, 787, 20, 125, 78, 416, 22, 352, 434,
            476, 502, 190, 287, 798, 862, 77, 306, 119, 276, 918, 362, 400, 611, 94])[1 + floor(25 * power(r.k, 2))]]
        end as cwes,
        m.title || ' in ' || (array['parser', 'session', 'decoder', 'router', 'cache', 'login', 'upload', 'template',
            'archive', 'socket', 'query', 'renderer', 'scheduler', 'cookie', 'proxy'])[1 + floor(15 * power(r.l, 2))]
            as title,
        case when r.l < 0.5 then '' when r.l < 0.53 then 'reviewer-0@example.org'
             else 'developer-' || floor(r.l * 400) || '@example.org' end as author
) v,
lateral (select id as producer, name as producer_name from approvals_producer
         where name = (array[{", ".join(f"'{name}'" for name in PRODUCERS)}])[1 + floor(6 * power(r.d, 1.5))]) p
"""
SENT_BY_MODEL = ["references", "repository", "size", "sha256", "document_sha256"]
SENT_BY_MODEL += ["file_count", "additions", "deletions", "parsed", "parse_warnings"]
PATCH_ID = "v.package || '.' || v.cve || '.' || r.n"
PATCH = {
    "id": "r.n",
    "kind": "'patch'",
    "producer_id": "p.producer",
    "patch_id": PATCH_ID,
    "revision": "1",
    "supersedes_id": "null",
    "apv_id": "'import-' || left(md5(r.n::text), 12)",
    "title": "v.title",
    "description": "m.description",
    "cve_ids": "array[v.cve]",
    "cwe_ids": "v.cwes",
    "severity": "r.severity",
    "effective_severity": "r.severity",
    "cvss_score": "r.priority * 2.3 + 0.5",
    "kev": "false",
    "known_exploited": "r.priority = 4 and r.g < 0.2",
    "package_name": "v.package",
    "ecosystem": "('{npm,PyPI,Maven,Go,crates.io,RubyGems,NuGet,Packagist,Debian,rpm}'::text[])[v.world]",
    "language": "('{JavaScript,Python,Java,Go,Rust,Ruby,C#,PHP,C,C}'::text[])[v.world]",
    "current_version": "'1.' || mod(r.n, 30) || '.0'",
    "target_version": "'1.' || mod(r.n, 30) || '.1'",
    "ml_confidence": "r.confidence",
    "ml_prediction": "r.prediction",
    "ml_model_version": "case when r.unscored then '' else 'model-2' end",
    "wargaming": "r.wargaming",
    "submitted_by": "v.author",
    "created_at": "r.at",
    # As services/intake.py makes it: lower-case letters and digits only.
    "search_text": f"""regexp_replace(lower(concat_ws(' ', {PATCH_ID}, 'import', left(md5(r.n::text), 12), v.title,
        v.package, m.repository, v.author, p.producer_name, v.cve, v.cwes[1])), '[^[:alnum:]]+', ' ', 'g')""",
    **{name: f'm."{name}"' for name in SENT_BY_MODEL},
    **dict.fromkeys(("aliases", "affected_systems"), "'{}'"),
    **dict.fromkeys(("vulnerable_locations", "wargaming_phases"), "'[]'"),
    **dict.fromkeys(("requires_manual_review", "synthetic"), "false"),
}
REFUSED = "r.status in ('rejected', 'changes_requested', 'cancelled')"
BY_PERSON = "r.status in ('approved', 'rejected', 'changes_requested', 'revoked')"
END = """case r.status when 'pending' then {0} when 'auto_approved' then {1} when 'expired' then {2}
         when 'cancelled' then {3} when 'superseded' then {3} else {4} end"""
DECISION = {
    "id": "r.n",
    "decision_id": "uuidv7(r.at - clock_timestamp())",
    "alias": "null",
    "patch_id": "r.n",
    "status": "r.status",
    "decided_by_kind": END.format("''", "'policy'", "'timer'", "'service'", "'human'"),
    "decided_by": END.format("''", "'policy'", "'timer'", "'forge'", "who.username"),
    "decided_by_user_id": f"case when {BY_PERSON} then who.id end",
    "decided_at": "case when not r.waits then r.decided end",
    "channel": END.format("''", "'intake'", "'timer'", "'api'", "'page'"),
    "cause": END.format(
        "''", "'A policy approved.'", "'Its time was over.'", "'Its producer ended it.'", "'Reviewed.'"
    ),
    "reason_id": f"case when {REFUSED} then r.n end",
    "category": "case when r.status = 'rejected' then 'incomplete' else '' end",
    "priority": "r.priority",
    "confidence": "coalesce(r.confidence, -1)",
    "policy_version_id": "(select current_id from approvals_policy where name = "
    "('{low,medium,high,critical-two-person}'::text[])[r.priority])",
    "trace": "'[]'",
    "would_auto_approve": "false",
    "required_approvals": "case r.priority when 4 then 2 else 1 end",
    "required_groups": "case r.priority when 4 then '{security-leads}'::text[] else '{}' end",
    "approvals": f"case when r.status = 'approved' and r.priority = 4 then 2 "
    f"else ({BY_PERSON} or r.waits and r.priority = 4 and r.h < 0.3)::int end",
    "created_at": "r.at",
    "sla_due_at": "r.due",
    "sla_warn_at": "case when r.due = %(never)s then r.due else r.due - interval '2 hours' end",
    "escalate_at": "%(never)s",
    "expire_at": "%(never)s",  # the worker must not end them while somebody measures
    "expire_action": "'expire'",
    "remind_at": "%(never)s",
    "reminders": "0",
    "asked": "'{}'",
    "escalation_next": "0",
    "escalation_level": "(r.waits and r.j < 0.02)::int",
}
WHO = "from bench_row r join approvals_user who on who.username = 'reviewer-' || mod(r.n, 3)"
REVIEW = {
    "id": "r.n",
    "decision_id": "r.n",
    "reviewer_id": "who.id",
    "verdict": "case r.status when 'rejected' then 'reject' when 'changes_requested' then 'request_changes' "
    "else 'approve' end",
    "patch_sha256": "m.sha256",
    "text_id": "null",
    "displayed": "'page'",
    "channel": "'page'",
    "authn": "'session'",
    "created_at": "case when r.waits then r.at else r.decided end",
}


def fill(url: str, models: bytes, patches: int, pending: int, now: datetime) -> None:
    """Insert so many patches, so many of them pending, into the migrated and otherwise empty database at `url`.

    `models` is what `real_ones()` returned; three reviewers (`reviewer-0` to `-2`) must exist.
    """
    started = time.perf_counter()
    with psycopg.connect(url, autocommit=True, cursor_factory=psycopg.ClientCursor) as connection:
        given = _draw(connection, models, patches, pending, now)
        with _unguarded(connection), ThreadPoolExecutor(AT_ONCE) as threads:
            for done in [threads.submit(_run, url, statement, given) for statement in _statements(patches)]:
                done.result()
        _say("rows", started)
        _continue_keys(connection)
        connection.execute("select approvals_waiting_refill()")  # the trigger that keeps them was off
        for table in ("bench_row", MODELS):
            connection.execute(f"drop table {table}".encode())
        connection.execute("vacuum (analyze)")  # as autovacuum would have done long ago, not in the middle of it
        _say("indexes and statistics", started)


def real_ones(url: str) -> bytes:
    """Return the small real patches of a database as the rows of the table of models."""
    with psycopg.connect(url) as connection, connection.cursor().copy(COPY_OUT) as rows:
        found = b"".join(rows)
    return found or sys.exit("There are no real patches to model on; name their directory in HITL_SAMPLE_DATA.")


def last_page(connection: "psycopg.Connection[tuple[Any, ...]]", name: str, rows: int) -> str:
    """Return the cursor of a pending list's last full page: following four thousand links to it would take minutes."""
    order = ORDERS[name]
    columns = [column.lstrip("-") for column in order]
    from_the_end = ", ".join(column[1:] if column.startswith("-") else f"{column} desc" for column in order)
    query = f"select {', '.join(columns)} from (select *, decision_id as pk from approvals_waiting) waiting "
    query += f"order by {from_the_end} offset {rows} limit 1"
    [before_it] = connection.execute(query.encode()).fetchall()
    return keyset.cursor_at(False, Decision(**dict(zip(columns, before_it, strict=True))), order)


def _draw(
    connection: "psycopg.Connection[tuple[object, ...]]", models: bytes, patches: int, pending: int, now: datetime
) -> dict[str, object]:
    """Make the table of models and that of draws; return the parameters of the statements that follow."""
    connection.execute(MODEL_TABLE)
    with connection.cursor().copy(f"copy {MODELS} from stdin") as rows:
        rows.write(models)
    given = {
        "patches": patches,
        "pending": pending,
        "step": max(1, min(STEP, patches // pending)),
        "models": models.count(b"\n"),
        "now": now,
        "never": NO_DEADLINE,
    }
    connection.execute(
        "insert into approvals_producer (name, trusted_for_ml, trusted_for_wargaming, created_at) "
        "select unnest(%s::text[]), true, true, %s",
        [list(PRODUCERS), now],
    )
    connection.execute("select setseed(0.42)")
    connection.execute(ROWS.encode(), given)
    connection.execute("analyze bench_row")
    return given


def _run(url: str, statement: str, given: dict[str, object]) -> None:
    """Run one INSERT without looking up its foreign keys: all of them come from one series."""
    with psycopg.connect(url, cursor_factory=psycopg.ClientCursor) as connection:
        connection.execute("set session_replication_role = replica; set synchronous_commit = off")
        connection.execute(statement.encode(), given)


def _statements(patches: int) -> Iterator[str]:
    """Yield the INSERTs, the longest first; any order will do."""
    half = patches // 2
    for part in (f"where r.n <= {half}", f"where r.n > {half}"):
        yield _insert(Patch, PATCH, FROM_ROWS + part)
    yield _insert(PatchContent, {"patch_id": "r.n", "diff": "m.diff"}, MODELS_OF_ROWS)
    yield _insert(Decision, DECISION, WHO)
    reviewed = f"{WHO} join {MODELS} m on m.place = r.place where {BY_PERSON} or {DECISION['approvals']} = 1"
    yield _insert(Review, REVIEW, reviewed)
    opened = {"id": "r.n", "patch_id": "r.n", "user_id": "who.id", "opened_at": "r.at"}
    yield _insert(PatchView, opened, f"{WHO} where not r.waits or r.i < 0.3")
    yield _insert(Text, {"id": "r.n", "salt": "uuid_send(gen_random_uuid())", "body": WORDS}, REASONS)
    taken_back = {"id": "r.n", "decision_id": "r.n", "revoked_by": "who.username", "revoked_by_user_id": "who.id"}
    taken_back |= {"reason_id": "r.n", "revoked_at": "r.decided + interval '1 day'"}
    yield _insert(Revocation, taken_back, f"{WHO} where r.status = 'revoked'")


MODELS_OF_ROWS = f"from bench_row r join {MODELS} m on m.place = r.place"
REASONS = f"from bench_row r where {REFUSED} or r.status = 'revoked'"
WORDS = "'The second call site of case ' || r.n || ' is still open.'"


def _insert(model: type[Model], values: dict[str, str], source: str) -> str:
    """Return the INSERT of a model's every column; those without a value get '' where they hold text, else NULL."""
    fields = [field for field in model._meta.concrete_fields if not isinstance(field, GeneratedField)]
    names = ", ".join(f'"{field.column}"' for field in fields)
    given = ", ".join(values.get(str(field.column), "null" if field.null else "''") for field in fields)
    return f"insert into {model._meta.db_table} ({names}) select {given} {source}"


@contextmanager
def _unguarded(connection: "psycopg.Connection[tuple[object, ...]]") -> Iterator[None]:
    """Let rows be inserted as their story ended, and build indexes last; checks and unique constraints stay on."""
    tables = [model._meta.db_table for model in WRITTEN]
    indexes = connection.execute(
        "select indexname, indexdef from pg_indexes where tablename = any(%s) and schemaname = 'public' "
        "and indexname not in (select conname from pg_constraint) and indexdef not like 'CREATE UNIQUE%%'",
        [tables],
    ).fetchall()
    guards = connection.execute(
        "select tgrelid::regclass::text, tgname from pg_trigger "
        "where tgenabled = 'A' and tgrelid::regclass::text = any(%s)",
        [tables],
    ).fetchall()
    for name, _ in indexes:
        connection.execute(f'drop index "{name}"'.encode())
    for written in tables:
        connection.execute(f"alter table {written} disable trigger user".encode())
    yield
    for table, trigger in guards:
        connection.execute(f"alter table {table} enable always trigger {trigger}".encode())
    connection.execute("set maintenance_work_mem = '512MB'")
    for _, definition in indexes:
        connection.execute(str(definition).encode())


def _continue_keys(connection: "psycopg.Connection[tuple[object, ...]]") -> None:
    for model in WRITTEN:
        if model is not PatchContent:
            table = model._meta.db_table
            last = f"select setval(pg_get_serial_sequence('{table}', 'id'), coalesce(max(id), 1)) from {table}"
            connection.execute(last.encode())


def _say(what: str, started: float) -> None:
    print(f"  {what}: {time.perf_counter() - started:.0f} s", flush=True)
