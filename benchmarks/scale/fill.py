"""Multiply templates in the database: each row that the product wrote for them, under new ids, names and digests.

It works from the tables and columns that are there, so that it fills an older commit's schema as well. A table that
triggers keep is filled by its `..._refill()` function.
"""

import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager

from . import entries
from .sql import Session, columns
from .stories import HEAD, NUMBER, PACKAGE, Template

STEP = 3  # every third of the youngest patches is pending, so that pending ones lie between decided ones
MOST, FIRST = 16, 100_000  # rows of one table for one patch; their ids are FIRST + n * MOST and so on
CLOCKS = ("sla_warn_at", "sla_due_at", "escalate_at", "remind_at", "expire_at")
FOR_TIMERS = ("escalate_at", "remind_at", "expire_at")  # the worker must not end patches while somebody measures
NEVER = "'9999-12-31Z'::timestamptz"
ROOTS = ("approvals_patch", "approvals_decision")
TEXT = "approvals_text"
LINKS = f"""
select conrelid::regclass::text, attname, confrelid::regclass::text
from pg_constraint join pg_attribute on attrelid = conrelid and attnum = conkey[1]
where contype = 'f' and confrelid::regclass::text in ('{ROOTS[0]}', '{ROOTS[1]}', '{TEXT}')
order by 1
"""
TEMPLATES = """
create unlogged table bench_template as
select given.ordinal::int - 1 as place, decision.patch_id as patch, decision.id as decision, given.uuid,
    given.mark,
    patch.sha256 as sha, waits,
    sum(share) over (partition by waits order by given.ordinal) / sum(share) over (partition by waits) as upto,
    decision.created_at as t0, written.number as entries, written.seconds
from unnest(%s::text[], %s::text[], %s::boolean[], %s::float8[]) with ordinality
    given (uuid, mark, waits, share, ordinal)
join approvals_decision decision on decision.decision_id = given.uuid::uuid
join approvals_patch patch on patch.id = decision.patch_id,
lateral (
    select count(*) as number, greatest(extract(epoch from max(at) - decision.created_at)::float8, 0.001) as seconds
    from audit_entry where object_id = given.uuid
) written
"""
# What is drawn for each patch, once, so that all its rows agree.
ROWS = f"""
create unlogged table bench_row as
select n, place, at, decided, due, package, cve, number, waits, raised, template.t0, template.mark,
    uuidv7(at - clock_timestamp()) as uuid, extract(epoch from decided - at)::float8 / template.seconds as stretch,
    renumbered.diff, encode(sha256(renumbered.diff), 'hex') as sha
from (
    select n, at, waits, floor(60 * power(a, 3))::int::text as package, (10000000 + n / 3)::text as cve,
        lpad(n::text, 8, '0') as number, waits and b < 0.02 as raised,
        case when waits then places_waiting[1 + width_bucket(c, upto_waiting)]
             else places_decided[1 + width_bucket(c, upto_decided)] end as place,
        least(%(now)s, at + interval '3 days' * power(d, 3)) as decided,
        case when e < 0.4 then {NEVER} else %(now)s + (e - 0.7) * interval '2 days' end as due
    from (
        select n, %(now)s - interval '1095 days' * (1 - n::float8 / %(patches)s) as at,
            mod(%(patches)s - n, %(step)s) = 0 and (%(patches)s - n) / %(step)s < %(pending)s as waits,
            random() as a, random() as b, random() as c, random() as d, random() as e
        from generate_series(1, %(patches)s) n
    ) thrown,
    (select array_agg(place order by upto) filter (where waits) as places_waiting,
        array_agg(upto::float8 order by upto) filter (where waits) as upto_waiting,
        array_agg(place order by upto) filter (where not waits) as places_decided,
        array_agg(upto::float8 order by upto) filter (where not waits) as upto_decided
     from bench_template) shares
) drawn
join bench_template template using (place, waits)
join bench_approvals_patchcontent content using (place),
lateral (
    select convert_to(replace(%(head)s, '{{}}', number), 'UTF8') || substr(content.diff, length(%(head)s) + 7) as diff
    offset 0
) renumbered
"""
GIVEN = {
    ("approvals_patch", "supersedes_id"): "null",
    ("approvals_patchcontent", "diff"): "r.diff",
    ("approvals_decision", "decision_id"): "r.uuid",
    ("approvals_decision", "escalation_level"): "case when r.raised then 1 else t.escalation_level end",
    ("approvals_feedentry", "position"): "row_number() over (order by r.n, t.ordinal)",
}


def fill(url: str, templates: list[Template], patches: int, pending: int) -> None:
    """Replace the templates in this database by so many patches, so many of them pending."""
    started = time.perf_counter()
    session = Session(url)
    tables = _tables(session)
    _keep_templates(session, tables, templates)
    entries.keep_templates(session)
    with _unguarded(session, [*tables, *entries.TABLES]):
        _forget_templates(session, tables)
        _draw(session, patches, pending)
        say("drawn", started)
        session.run_all(_statements(session, tables, patches))
        say("patches", started)
        session.run_all(entries.statements(session, patches))
        session.run(entries.PLACES)
        say("entries", started)
    say("indexes", started)
    _continue_keys(session, [*tables, *entries.TABLES])
    for [refill] in session.run(
        "select proname from pg_proc where proname like 'approvals_%%_refill' and pronargs = 0"
    ):
        session.run(f"select {refill}()")
    for [leftover] in session.run("select tablename from pg_tables where tablename like 'bench_%%'"):
        session.run(f"drop table {leftover} cascade")
    session.run("vacuum (analyze)")  # as autovacuum would have done long ago, not in the middle of a measurement
    say("statistics", started)


def _tables(session: Session) -> dict[str, dict[str, str]]:
    """Return the tables whose rows belong to a patch, each with its foreign keys: to a patch, a decision or a text."""
    links: dict[str, dict[str, str]] = {}
    for table, column, target in session.run(LINKS):
        links.setdefault(table, {})[column] = target
    owned = {table: found for table, found in links.items() if set(found.values()) & set(ROOTS)}
    used = [table for table in owned if session.run(f"select 1 from {table} limit 1")]
    return {"approvals_patch": {}, TEXT: {}} | {table: links[table] for table in used if table != "approvals_patch"}


def _keep_templates(session: Session, tables: dict[str, dict[str, str]], templates: list[Template]) -> None:
    """Copy the templates' rows aside: with their place, and numbered within it."""
    names = ("decision_id", "mark", "waits", "share")
    session.run(TEMPLATES, [[getattr(one, name) for one in templates] for name in names])
    for table, links in tables.items():
        if table == TEXT:
            continue
        key = next((column for column, target in links.items() if target in ROOTS), "id")
        root = "patch" if table == "approvals_patch" or links[key] == "approvals_patch" else "decision"
        session.run(f"""
            create unlogged table bench_{table} as
            select place, row_number() over (partition by place order by t.ctid) - 1 as ordinal, t.*
            from {table} t join bench_template on t.{key} = bench_template.{root}
        """)
    texts = [
        f"select place, {column} as id from bench_{table} where {column} is not null"
        for table, links in tables.items()
        for column, target in links.items()
        if target == TEXT
    ]
    session.run(f"""
        create unlogged table bench_{TEXT} as
        select place, row_number() over (partition by place order by t.id) - 1 as ordinal, t.*
        from {TEXT} t join ({" union ".join(texts)}) used using (id)
    """)
    for table, links in tables.items():
        for column in (column for column, target in links.items() if target == TEXT):
            session.run(f"""
                update bench_{table} t set {column} = text.ordinal
                from bench_{TEXT} text where text.id = t.{column} and text.place = t.place
            """)


def _forget_templates(session: Session, tables: dict[str, dict[str, str]]) -> None:
    """Empty the tables of patches, and take the decisions' entries out of the log."""
    session.run(f"delete from {TEXT} where id in (select id from bench_{TEXT})")
    for table in tables:
        if table != TEXT:
            session.run(f"delete from {table}")
    for statement in entries.FORGET:
        session.run(statement)


def _draw(session: Session, patches: int, pending: int) -> None:
    [[now]] = session.run("select now()")
    given = {"patches": patches, "pending": pending, "now": now, "head": HEAD.replace(NUMBER, "{}")}
    session.run("select setseed(0.42)", then=(ROWS, given | {"step": max(1, min(STEP, patches // max(1, pending)))}))
    session.run("analyze bench_row")


def _statements(session: Session, tables: dict[str, dict[str, str]], patches: int) -> Iterable[str]:
    """Yield the INSERTs, the longest first; any order will do."""
    half = patches // 2
    for table, links in tables.items():
        names, values = zip(*_values(session, table, links), strict=True)
        source = f"from bench_row r join bench_{table} t using (place) join bench_template b using (place)"
        insert = f"insert into {table} ({', '.join(names)}) select {', '.join(values)} {source}"
        if "over (" in insert:
            yield insert
        else:
            yield f"{insert} where r.n <= {half} order by r.n"
            yield f"{insert} where r.n > {half} order by r.n"


def _values(session: Session, table: str, links: dict[str, str]) -> Iterator[tuple[str, str]]:
    """Yield each column with the expression that makes its value of the row `r`, the template's row `t` and `b`."""
    for column, type_ in columns(session, table):
        name, own = f'"{column}"', f't."{column}"'
        if (table, column) in GIVEN:
            yield name, GIVEN[table, column]
        elif links.get(column) in ROOTS or (column == "id" and table in ROOTS):
            yield name, "r.n"
        elif column == "id":
            yield name, f"{FIRST} + r.n * {MOST} + t.ordinal"
        elif links.get(column) == TEXT:
            yield name, f"{FIRST} + r.n * {MOST} + {own}"
        elif column in FOR_TIMERS:
            yield name, f"case when r.waits then {NEVER} else least({own}, r.at + ({own} - r.t0)) end"
        elif column in CLOCKS:
            before = "interval '2 hours'" if column == "sla_warn_at" else "interval '0'"
            mine = f"case when r.due = {NEVER} then r.due else r.due - {before} end"
            other = f"case when {own} > '9000-01-01' then {own} else r.at + ({own} - r.t0) end"
            yield name, f"case when r.waits then {mine} else {other} end"
        elif type_.startswith("timestamp"):
            yield name, f"r.at + ({own} - r.t0) * r.stretch"
        else:
            yield name, _renamed(session, table, column, type_)


def _renamed(session: Session, table: str, column: str, type_: str) -> str:
    """Return the expression of a column that may hold a template's marks or digest."""
    own = f't."{column}"'
    if not type_.startswith(("character", "text", "jsonb")):
        return own
    marks = {f"'{PACKAGE}'": "r.package", "b.mark": "r.cve", f"'{NUMBER}'": "r.number", "b.sha": "r.sha"}
    found = f"select 1 from bench_{table} t join bench_template b using (place) where position({{}} in {own}::text) > 0"
    made = f"{own}::text"
    for mark, value in marks.items():
        if session.run(f"{found.format(mark)} limit 1"):
            made = f"replace({made}, {mark}, {value})"
    if made == f"{own}::text" and column.endswith("sha256"):  # every tenth has the lines of the one before
        number = "case when mod(r.n, 10) = 0 then r.n - 1 else r.n end"
        return (
            f"case when length({own}) = 64 then encode(sha256(('{column}' || {number})::bytea), 'hex') else {own} end"
        )
    return own if made == f"{own}::text" else f"({made})::{type_}"


@contextmanager
def _unguarded(session: Session, tables: list[str]) -> Iterator[None]:
    """Let rows be inserted as their story ended, and build indexes last; checks and primary keys stay on."""
    given = [tables]
    unique = session.run(
        "select conrelid::regclass::text, conname, pg_get_constraintdef(oid) from pg_constraint one "
        "where contype = 'u' and conrelid::regclass::text = any(%s) and not exists "
        "(select from pg_constraint other where other.contype = 'f' and other.conindid = one.conindid)",
        given,
    )
    indexes = session.run(
        "select indexname, indexdef from pg_indexes where tablename = any(%s) and schemaname = 'public' "
        "and indexname not in (select conname from pg_constraint)",
        given,
    )
    guards = session.run(
        "select tgrelid::regclass::text, tgname, tgenabled from pg_trigger "
        "where not tgisinternal and tgrelid::regclass::text = any(%s)",
        given,
    )
    for table, name, _ in unique:
        session.run(f'alter table {table} drop constraint "{name}"')
    for name, _ in indexes:
        session.run(f'drop index "{name}"')
    for table in tables:
        session.run(f"alter table {table} disable trigger user")
    yield
    again = {"A": "enable always", "R": "enable replica", "D": "disable", "O": "enable"}
    for table, name, state in guards:
        session.run(f'alter table {table} {again[state]} trigger "{name}"')
    session.run_all(
        [definition for _, definition in indexes]
        + [f'alter table {table} add constraint "{name}" {definition}' for table, name, definition in unique]
    )


def _continue_keys(session: Session, tables: list[str]) -> None:
    for table in tables:
        if any(column == "id" for column, _ in columns(session, table)):
            serial = f"pg_get_serial_sequence('{table}', 'id')"
            session.run(f"select setval({serial}, coalesce(max(id), 1)) from {table} where {serial} is not null")


def say(what: str, started: float) -> None:
    """Print how long it took until now."""
    print(f"  {what}: {time.perf_counter() - started:.0f} s", flush=True)
