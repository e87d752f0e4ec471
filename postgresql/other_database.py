"""Read another PostgreSQL database, once, without a chance to change it."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import psycopg
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from .limits import REACHING

READ_ONLY = "-c default_transaction_read_only=on -c timezone=UTC -c statement_timeout=10min -c client_encoding=UTF8"
"""What the session asks of the server, after what the address itself asks, so that no address can undo it."""
ROWS_AT_ONCE = 200


class Snapshot:
    """All that is in the other database at one moment: each statement sees the same rows."""

    def __init__(self, connection: psycopg.Connection[Any]) -> None:
        self._connection = connection

    def rows(self, statement: str, parameters: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        """Return all rows of a statement."""
        return self._connection.execute(statement, parameters or None).fetchall()

    def sets(self, statement: str) -> Iterator[list[tuple[Any, ...]]]:
        """Yield the rows of a statement, some at a time: a large table is never in memory as a whole."""
        with self._connection.cursor(name="sets") as cursor:
            cursor.execute(statement)
            while rows := cursor.fetchmany(ROWS_AT_ONCE):
                yield rows


@contextmanager
def snapshot(dsn: str) -> Iterator[Snapshot]:
    """Connect by an address or by `key=value` words of libpq; raise psycopg.Error where that does not work."""
    asked = conninfo_to_dict(dsn)
    asked["options"] = f"{asked.get('options') or ''} {READ_ONLY}".strip()
    with psycopg.connect(make_conninfo("", **(REACHING | asked)), application_name="hitl import") as connection:
        connection.read_only = True
        connection.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
        yield Snapshot(connection)
