"""Run plain SQL: for queries of every request or change, which take several times as long through the ORM."""

from collections.abc import Mapping, Sequence
from typing import Any

from .replica import read_connection

Parameters = Sequence[Any] | Mapping[str, Any]


def query_prepared(sql: str, parameters: Parameters = ()) -> list[Any]:
    """Run a statement whose plan PostgreSQL keeps on a connection that has run it a few times, and return its rows; it
    must be a statement that returns rows.

    For rows found by a key: a kept plan sees neither the parameters nor how the tables have grown since, until they
    are analyzed again.
    """
    rows: list[Any] = read_connection().prepared(sql, parameters)
    return rows


def query(sql: str, parameters: Parameters = ()) -> list[Any]:
    """Run a statement that is planned each time, for these parameters, and return its rows; for lists and searches."""
    with read_connection().cursor() as cursor:
        cursor.execute(sql, parameters)
        rows: list[Any] = cursor.fetchall()
    return rows


LOCK_NAME_SQL = "select pg_advisory_xact_lock(hashtextextended(%s, %s))"


def lock_name(name: str, kind: int) -> None:
    """Lock a name that has no row (yet) until the transaction ends; names of different kinds are different locks."""
    query_prepared(LOCK_NAME_SQL, [name, kind])
