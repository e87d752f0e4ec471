"""The statements that every request or change runs, planned once a connection."""

from collections.abc import Mapping, Sequence
from typing import Any

from django.db import connection


def prepared(sql: str, parameters: Sequence[Any] | Mapping[str, Any] = ()) -> list[Any]:
    """Run a statement whose text is always the same, and return its rows; it must be one that returns some.

    For rows found by their keys: PostgreSQL keeps the plan and looks at the parameters no more. Through the ORM or a
    plain cursor the same question costs two to ten times as much.
    """
    with connection.prepared() as cursor:  # type: ignore[attr-defined]  # of hitl.postgresql
        cursor.execute(sql, parameters)
        rows: list[Any] = cursor.fetchall()
    return rows
