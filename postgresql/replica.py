"""Reading from a replica what may be a few seconds old; everything else, and every write, goes to the primary."""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

from django.db import connections

PRIMARY, REPLICA = "default", "replica"
_database = ContextVar("database that reads go to", default=PRIMARY)


@contextmanager
def reading_from(database: str) -> Iterator[None]:
    """Send what is read in here to a database."""
    token = _database.set(database)
    try:
        yield
    finally:
        _database.reset(token)


def read_database() -> str:
    """Return the database that reads go to: inside a transaction the one that it is in."""
    return PRIMARY if connections[PRIMARY].in_atomic_block else _database.get()


def read_connection() -> Any:
    """Return the connection that reads go to."""
    return connections[read_database()]


class Router:
    """Sends Django's queries where `reading_from` says; what was read from the replica is written to the primary."""

    def db_for_read(self, model: type, **hints: Any) -> str:
        return read_database()

    def db_for_write(self, model: type, **hints: Any) -> str:
        return PRIMARY

    def allow_relation(self, one: Any, other: Any, **hints: Any) -> bool:
        return True

    def allow_migrate(self, db: str, app_label: str, **hints: Any) -> bool:
        return db == PRIMARY
