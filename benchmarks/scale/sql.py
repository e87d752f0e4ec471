"""Statements as the owner, without triggers and without look-ups of foreign keys."""

from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import psycopg

AT_ONCE = 2  # statements, for the two cores of the machine these figures are meant for
SETTINGS = """
set session_replication_role = replica;
set synchronous_commit = off;
set maintenance_work_mem = '512MB';
set work_mem = '256MB'
"""
COLUMNS = """
select attname, format_type(atttypid, atttypmod) from pg_attribute
where attrelid = %s::regclass and attnum > 0 and not attisdropped and attgenerated = '' order by attnum
"""


@dataclass(frozen=True)
class Session:
    """Where statements run, each in a connection of its own."""

    url: str

    def run(self, statement: str, given: Any = None, then: tuple[str, Any] | None = None) -> list[Any]:
        """Run one statement, or two in one connection, and return the rows of the last."""
        with psycopg.connect(self.url, autocommit=True, cursor_factory=psycopg.ClientCursor) as connection:
            connection.execute(SETTINGS)
            cursor = connection.execute(statement.encode(), given)
            if then:
                cursor = connection.execute(then[0].encode(), then[1])
            return cursor.fetchall() if cursor.description else []

    def run_all(self, statements: Iterable[str]) -> None:
        """Run these, two at a time."""
        with ThreadPoolExecutor(AT_ONCE) as threads:
            for done in [threads.submit(self.run, statement) for statement in statements]:
                done.result()


def columns(session: Session, table: str) -> list[tuple[str, str]]:
    """Return name and type of each column that a row is given."""
    return session.run(COLUMNS, [table])
