"""Statements past every service, and why the database refuses them."""

from typing import Any

import psycopg
import pytest
from django.db import DatabaseError, connection, transaction


def execute(sql: str, *parameters: Any) -> None:
    """Run one statement in a transaction or savepoint of its own."""
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(sql, parameters)


def refused(sql: str, *parameters: Any) -> psycopg.Error:
    """Return why the database refuses a statement; the test fails where it does not."""
    with pytest.raises(DatabaseError) as error:
        execute(sql, *parameters)
    cause = error.value.__cause__
    assert isinstance(cause, psycopg.Error)
    return cause
