"""The log of a filled database: each entry of a template under new ids, in its chain; and entries about no decision."""

from collections.abc import Iterable

from .sql import Session, columns
from .stories import NUMBER, PACKAGE

TABLES = ("audit_leaf", "audit_pending", "audit_context", "audit_entry")
MOST, FIRST = 64, 1_000_000  # the ids of a patch's entries are FIRST + n * MOST and so on
EACH = 8  # entries of a patch, every second one more: what its story has not is about no decision
OF_DECISION = "select id from audit_entry where object_type = 'decision'"
FORGET = (
    "delete from audit_leaf",
    "delete from audit_pending",
    f"delete from audit_context where entry_id in ({OF_DECISION})",
    "delete from audit_entry where object_type = 'decision'",
)
PLACES = "insert into audit_leaf (seq, entry_id) select row_number() over (order by id) - 1, id from audit_entry"
NEVER = "'\x01'"  # is in no body


def _made(sha: str, object_id: str, cve: str) -> str:
    """Return a body with numbered places for what differs between copies."""
    marks = (
        "entry.uuid::text",
        "parts ->> 'at'",
        "parts ->> 'nonce'",
        object_id,
        f"coalesce(parts #>> '{{object,prev}}', {NEVER})",
        sha,
        f"'{PACKAGE}'",
        cve,
        f"'{NUMBER}'",
    )
    made = "replace(convert_from(entry.body, 'UTF8'), '%', '%%')"
    for number, mark in enumerate(marks, start=1):
        made = f"replace({made}, {mark}, '%{number}$s')"
    return made


# `share` is when it was written, between arrival (0) and end (1).
KEEP = (
    f"""
create unlogged table bench_entry as
select place, row_number() over (partition by place order by entry.id)::int as ordinal, entry.*,
    greatest(extract(epoch from entry.at - t0)::float8, 0) / seconds as share,
    {_made("sha", "object_id", "mark")} as made
from bench_template join audit_entry entry on object_id = bench_template.uuid,
lateral (select convert_from(entry.body, 'UTF8')::jsonb as parts) read
""",
    f"""
create unlogged table bench_other as
select row_number() over (order by entry.id)::int - 1 as place, entry.*, {_made(NEVER, NEVER, NEVER)} as made
from audit_entry entry, lateral (select convert_from(entry.body, 'UTF8')::jsonb as parts) read
where object_type <> 'decision' and object_n is null
""",
    "create unlogged table bench_entry_context as "
    "select place, ordinal, context.* from bench_entry join audit_context context on entry_id = bench_entry.id",
    "create unlogged table bench_other_context as "
    "select place, context.* from bench_other join audit_context context on entry_id = bench_other.id",
    "create index on bench_entry (place, ordinal)",
    "create index on bench_other (place)",
    "analyze bench_entry, bench_other",
)
NONCE = "encode(uuid_send(gen_random_uuid()), 'base64')"
AT = """to_char({} at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"')"""
BODIES = f"""
create function bench_bodies(r bench_row) returns table (ordinal int, uuid uuid, at timestamptz, body bytea)
language plpgsql as $$
declare
    e record; leaf text := '';
begin
    for e in select one.ordinal, one.share, one.made from bench_entry one where one.place = r.place order by 1 loop
        ordinal := e.ordinal;
        at := r.at + e.share * (r.decided - r.at);
        uuid := uuidv7(at - clock_timestamp());
        body := convert_to(format(e.made, uuid, {AT.format("at")}, {NONCE}, r.uuid, leaf, r.sha, r.package, r.cve,
            r.number), 'UTF8');
        leaf := encode(sha256('\\x00'::bytea || body), 'hex');
        return next;
    end loop;
end $$
"""
OTHERS = f"""
from bench_row r join bench_template b using (place),
lateral (
    select k, r.at + k * interval '1 second' as at, uuidv7(r.at + k * interval '1 second' - clock_timestamp()) as uuid,
        mod(r.n * 7 + k, (select count(*) from bench_other))::int as place
    from generate_series(b.entries + 1, {EACH} + mod(r.n, 2)) k
) made
"""


def keep_templates(session: Session) -> None:
    """Copy aside the entries of the templates and those about no decision."""
    for statement in KEEP:
        session.run(statement)


def statements(session: Session, patches: int) -> Iterable[str]:
    """Yield the INSERTs into the log, the longest first; any order will do."""
    session.run(BODIES)
    half = patches // 2
    own = {"id": f"{FIRST} + r.n * {MOST} + made.ordinal", "uuid": "made.uuid", "at": "made.at", "body": "made.body"}
    own |= {"object_id": "r.uuid::text"}
    body = f"convert_to(format(t.made, made.uuid, {AT.format('made.at')}, {NONCE}, t.object_id), 'UTF8')"
    other = {"id": f"{FIRST} + r.n * {MOST} + made.k", "uuid": "made.uuid", "at": "made.at", "body": body}
    of_entry = {"entry_id": own["id"].replace("made", "t"), "object_label": _label("t.object_label")}
    for part in (f"where r.n <= {half}", f"where r.n > {half}"):
        of_row = (
            f"from bench_row r, bench_bodies(r) made join bench_entry t using (ordinal) {part} and t.place = r.place"
        )
        yield _insert(session, "audit_entry", own, of_row)
        yield _insert(session, "audit_entry", other, f"{OTHERS} join bench_other t on t.place = made.place {part}")
        yield _insert(
            session, "audit_context", of_entry, f"from bench_row r join bench_entry_context t using (place) {part}"
        )
        yield _insert(
            session,
            "audit_context",
            {"entry_id": other["id"]},
            f"{OTHERS} join bench_other_context t on t.place = made.place {part}",
        )


def _label(column: str) -> str:
    return f"replace(replace(replace({column}, '{PACKAGE}', r.package), r.mark, r.cve), '{NUMBER}', r.number)"


def _insert(session: Session, table: str, given: dict[str, str], source: str) -> str:
    names = [column for column, _ in columns(session, table)]
    values = ", ".join(given.get(name, f"t.{name}") for name in names)
    return f"insert into {table} ({', '.join(names)}) select {values} {source}"
