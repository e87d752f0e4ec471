"""Django's PostgreSQL backend, made cheaper for requests that ask the same short questions over and over."""

import select
from typing import Any

from django.db.backends.postgresql import base, operations
from psycopg import Connection, OperationalError
from psycopg_pool import ConnectionPool


class DatabaseOperations(operations.DatabaseOperations):
    """Shows prepared statements in Django's query log as any other."""

    def last_executed_query(self, cursor: Any, sql: str, params: Any) -> str:
        if isinstance(cursor, base.ServerBindingCursor):
            return str(self.compose_sql(sql, params))
        return super().last_executed_query(cursor, sql, params)


class DatabaseWrapper(base.DatabaseWrapper):
    """Takes only live connections from the pool, and runs prepared statements."""

    ops_class = DatabaseOperations
    _kept: Any = None  # a psycopg cursor

    def get_new_connection(self, conn_params: dict[str, Any]) -> "Connection[Any]":
        """Return a connection that the server has not closed. Django's own check asks the server each time, which took
        6 % of an approval; here it is asked only where it has said something since."""
        while True:
            connection: Connection[Any] = super().get_new_connection(conn_params)
            if not self.pool or _is_alive(connection):
                return connection
            connection.close()
            self.pool.putconn(connection)  # which replaces it

    def prepared(self, sql: str, parameters: Any) -> list[Any]:
        """Run a statement that is prepared on its connection after five uses, with its parameters sent apart, and
        return its rows; after five more PostgreSQL keeps one plan where it is no dearer than a fresh one (PREPARE in
        its manual; `prepare_threshold` of psycopg).

        Straight on a psycopg cursor that stays as long as the connection is ours: Django's wrapping took as long as a
        short statement itself. Where somebody looks on (query log, `execute_wrapper`) it is not left out.
        """
        self.ensure_connection()
        self.validate_thread_sharing()
        with self.wrap_database_errors:
            if self._kept is None:
                self._kept = base.ServerBindingCursor(self.connection)  # type: ignore[call-arg]  # not in the stubs
            if self.queries_logged or self.execute_wrappers:
                self._prepare_cursor(self._kept).execute(sql, parameters)  # type: ignore[attr-defined]  # not in the stubs
            else:
                self.validate_no_broken_transaction()
                self._kept.execute(sql, parameters)
            rows: list[Any] = self._kept.fetchall()
        return rows

    def _close(self) -> None:
        self._kept = None
        super()._close()  # type: ignore[misc]  # not in the stubs


def _is_alive(connection: "Connection[Any]") -> bool:
    """Return whether an idle connection of the pool still has its server. That one is asked only where there is
    something to read from it, such as its last words."""
    unread = select.poll()
    try:
        unread.register(connection.fileno(), select.POLLIN)
        if unread.poll(0):
            ConnectionPool.check_connection(connection)
    except OperationalError:
        return False
    return True
