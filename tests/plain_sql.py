"""Statements past every service, and why the database refuses them."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import psycopg
import pytest
from django.conf import settings
from django.db import DatabaseError, connection, transaction


@contextmanager
def as_the_role() -> Iterator[None]:
    """Connect as the role of web and worker in here; the flush afterwards is the owner's."""
    owner = connection.settings_dict["USER"]
    assert owner != settings.DATABASE_ROLE, "run these with an owner of its own: DATABASE_MIGRATE_URL"
    connect_as(settings.DATABASE_ROLE)
    yield
    connect_as(owner)


def connect_as(user: str) -> None:
    connection.close()
    connection.close_pool()  # type: ignore[attr-defined]
    connection.settings_dict["USER"] = user


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
