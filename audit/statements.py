"""Plain SQL: what every request or change asks, where composing it through the ORM costs several times the answer."""

from collections.abc import Mapping, Sequence
from typing import Any

from django.db import connection

Parameters = Sequence[Any] | Mapping[str, Any]


def query_prepared(sql: str, parameters: Parameters = ()) -> list[Any]:
    """Run a statement whose plan PostgreSQL keeps on a connection that has run it a few times, and return its rows; it
    must be one that returns some.

    For rows found by a key: a kept plan sees neither the parameters nor how the tables have grown since, until they
    are analyzed again.
    """
    rows: list[Any] = connection.prepared(sql, parameters)  # type: ignore[attr-defined]  # of hitl.postgresql
    return rows


def query(sql: str, parameters: Parameters = ()) -> list[Any]:
    """Run a statement that is planned each time, for these parameters, and return its rows: for lists and searches."""
    with connection.cursor() as cursor:
        cursor.execute(sql, parameters)
        rows: list[Any] = cursor.fetchall()
    return rows
