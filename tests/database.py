"""The database of a test run: no waiting for the disk, migrated once for every worker, and a flush of what changed."""

import fcntl
import hashlib
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import psycopg
from django.conf import settings
from django.db import connection, transaction
from django.db.backends.utils import CursorWrapper

ROOT = Path(__file__).resolve().parent.parent
CODE = ("approvals", "audit", "hitl", "notifications", "postgresql")  # whatever a migration runs
MIGRATED = "hitl_migrated_"
PUT_BACK = ("approvals_policy", "approvals_policy_loosened_guard")
"""A table whose rows no plain SQL may insert as they are, and the guard that says so."""
UNFINISHED = f"{MIGRATED}unfinished"


def trust_the_machine(url: str) -> None:
    """Let the embedded server of the tests not wait for the disk: whatever is in it can be made again."""
    with psycopg.connect(url, autocommit=True) as server:
        for name in ("fsync", "full_page_writes"):
            server.execute(f"alter system set {name} = off")
        server.execute("select pg_reload_conf()")


@contextmanager
def migrated(unblock: Callable[[], AbstractContextManager[None]]) -> Iterator[str]:
    """Name a database with all migrations, made by the first worker that asks and kept for later runs.

    Other code is another name, and the databases of older code are dropped: nobody copies one meanwhile.
    """
    name = f"{MIGRATED}{_digest()}"
    with (Path(settings.HITL_DATA_DIR) / "migrated.lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        with unblock(), connection._nodb_cursor() as cursor:
            cursor.execute("select datname from pg_database where starts_with(datname, %s)", [MIGRATED])
            found = {row[0] for row in cursor.fetchall()}
            if name not in found:
                _migrate()
                cursor.execute(f"alter database {UNFINISHED} rename to {name}")
            for old in found - {name, UNFINISHED}:
                cursor.execute(f"drop database {old}")
        yield name


def _digest() -> str:
    files = [ROOT / "requirements.txt", *sorted(path for app in CODE for path in (ROOT / app).rglob("*.py"))]
    digest = hashlib.sha256()
    for path in files:
        digest.update(f"{path.relative_to(ROOT)}\n".encode() + path.read_bytes())
    return digest.hexdigest()[:16]


def _migrate() -> None:
    own, names = connection.settings_dict["NAME"], settings.DATABASES["default"]["TEST"]
    wanted = names["NAME"]
    names["NAME"] = UNFINISHED
    try:
        connection.creation.create_test_db(verbosity=0, autoclobber=True, serialize=False)
        _leave_unanalyzed()
        connection.close()
        connection.close_pool()  # type: ignore[attr-defined]  # a database in use is nobody's template
    finally:
        names["NAME"] = wanted
        connection.creation.destroy_test_db(own, verbosity=0, keepdb=True)  # drops nothing: back to the other name


def _leave_unanalyzed() -> None:
    """Keep autovacuum away: tests take their rows back, and it would note tables of one page with nothing in it, while
    plans are to be those of a new database."""
    with connection.cursor() as cursor:
        cursor.execute("select tablename from pg_tables where schemaname = 'public'")
        for (table,) in cursor.fetchall():
            cursor.execute(f'alter table "{table}" set (autovacuum_enabled = off)')


class Baseline:
    """What the migrations put into the tables, and a flush that leaves exactly that.

    Django's own flush truncates every table and makes all permissions anew, which takes longer than most tests.
    """

    def __init__(self) -> None:
        with transaction.atomic(), connection.cursor() as cursor:
            _allow_truncate(cursor)
            cursor.execute("select tablename from pg_tables where schemaname = 'public' order by 1")
            tables = [row[0] for row in cursor.fetchall()]
            self.kept = _first_the_referenced(cursor, _with_rows(cursor, tables))
            self.empty = sorted(set(tables) - set(self.kept))
            cursor.execute("create schema kept")
            for table in self.kept:
                cursor.execute(f"create table kept.{table} as table public.{table}")

    def restore(self) -> None:
        """Truncate the tables that a test changed, and put back what was in them."""
        with transaction.atomic(), connection.cursor() as cursor:
            changed = [*_with_rows(cursor, self.empty), *self._differing(cursor)]
            if changed:
                cursor.execute(f"truncate {', '.join(changed)} cascade")
                cursor.execute(f"alter table {PUT_BACK[0]} disable trigger {PUT_BACK[1]}")
                for table in self.kept:  # cascade may have emptied any of them
                    cursor.execute(
                        f"insert into public.{table} select * from kept.{table}"
                        f" where not exists (select from public.{table})"
                    )
                cursor.execute("set constraints all immediate")
                cursor.execute(f"alter table {PUT_BACK[0]} enable always trigger {PUT_BACK[1]}")

    def _differing(self, cursor: CursorWrapper) -> list[str]:
        now, then = "select row::text from public.{0} row", "select row::text from kept.{0} row"
        sides = f"({now} except {then}) union all ({then} except {now})"
        return _matching(cursor, self.kept, f"exists ({sides})")


def _with_rows(cursor: CursorWrapper, tables: list[str]) -> list[str]:
    return _matching(cursor, tables, "exists (select from public.{0})")


def _matching(cursor: CursorWrapper, tables: list[str], condition: str) -> list[str]:
    cursor.execute(" union all ".join(f"select '{table}' where {condition.format(table)}" for table in tables))
    return [row[0] for row in cursor.fetchall()]


def _allow_truncate(cursor: CursorWrapper) -> None:
    cursor.execute(
        "select tgrelid::regclass::text, tgname from pg_trigger where not tgisinternal and tgname like %s",
        ["%\\_no\\_truncate"],
    )
    for table, trigger in cursor.fetchall():
        cursor.execute(f'alter table {table} disable trigger "{trigger}"')


def _first_the_referenced(cursor: CursorWrapper, tables: list[str]) -> list[str]:
    """Sort tables so that each follows those it refers to; two that refer to each other are checked at the commit."""
    cursor.execute("select conrelid::regclass::text, confrelid::regclass::text from pg_constraint where contype = 'f'")
    refers = [(one, other) for one, other in cursor.fetchall() if {one, other} <= set(tables) and one != other]
    left, ordered = sorted(tables), []
    while left:
        free = [table for table in left if not any(one == table and other in left for one, other in refers)]
        ordered += free or left[:1]
        left = [table for table in left if table not in ordered]
    return ordered
