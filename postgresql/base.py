"""Django's PostgreSQL backend, made cheaper for requests that ask the same short questions over and over."""

import math
import select
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any, ClassVar

from django.db import OperationalError as DjangoOperationalError
from django.db.backends.postgresql import base, operations
from psycopg import IsolationLevel, OperationalError
from psycopg.types.datetime import DatetimeDumper
from psycopg_pool import ConnectionPool, PoolTimeout

from . import pool_metrics
from .bounded import BoundedConnection
from .limits import Limits

connect_bounded = BoundedConnection.connect  # so named, no test takes it for a signal's
FARTHEST = timedelta(hours=16)
"""PostgreSQL reads no offset from UTC that is as large (MAX_TZDISP_HOUR of utils/timestamp.h); ISO 8601 has them."""


class MomentDumper(DatetimeDumper):
    """Writes a time whose offset PostgreSQL would not read in UTC; beyond the calendar as its first or last moment."""

    def dump(self, obj: Any) -> Any:
        offset = obj.utcoffset()
        if offset is not None and abs(offset) >= FARTHEST:
            try:
                obj = obj.astimezone(UTC)
            except OverflowError:
                obj = (datetime.min if offset > timedelta() else datetime.max).replace(tzinfo=UTC)
        return super().dump(obj)


class DatabaseOperations(operations.DatabaseOperations):
    """Shows prepared statements in Django's query log as any other."""

    def last_executed_query(self, cursor: Any, sql: str, params: Any) -> str:
        if isinstance(cursor, base.ServerBindingCursor):
            return str(self.compose_sql(sql, params))
        return super().last_executed_query(cursor, sql, params)


class DatabaseWrapper(base.DatabaseWrapper):
    """Takes only live connections from the pool, waits for no answer without end, and runs prepared statements."""

    ops_class = DatabaseOperations
    observers: ClassVar[list[Callable[..., Any]]] = []
    """What each connection made from now on calls around its statements, as Django's `execute_wrapper` does."""

    _kept: Any = None  # a psycopg cursor
    _ends: float | None = None  # on the monotonic clock
    _apart = False

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.execute_wrappers = [*self.observers]

    def get_connection_params(self) -> dict[str, Any]:
        params: dict[str, Any] = super().get_connection_params()
        params["context"].adapters.register_dumper(datetime, MomentDumper)
        return params

    def get_new_connection(self, conn_params: dict[str, Any]) -> Any:
        """Return a connection that the server has not closed. Django's own check asks the server each time, a round
        trip for every request; here it is asked only where it has said something since."""
        while True:
            connection = self.connect_apart(conn_params) if self._apart else self._counted_check_out(conn_params)
            if not isinstance(connection, BoundedConnection):
                return connection  # made without the pool
            connection.patience, connection.ends = self._limits().patience, self._ends
            if _is_alive(connection):
                return connection
            connection.close()
            self._put_back(connection)  # to the pool, which replaces it

    def connect_apart(self, conn_params: dict[str, Any]) -> BoundedConnection:
        left = max(0.0, (self._ends or 0.0) - time.monotonic())
        waited = {"connect_timeout": max(2, math.floor(left))}  # psycopg's least
        connection = connect_bounded(**{**conn_params, **waited}, autocommit=True)
        self._configure_connection(connection)  # type: ignore[attr-defined]  # not in the stubs
        return connection

    def _counted_check_out(self, conn_params: dict[str, Any]) -> Any:
        if not self.pool:
            return self._check_out(conn_params)
        try:
            with pool_metrics.WAITING.labels(self.alias).track_inprogress():
                connection = self._check_out(conn_params)
        except PoolTimeout:
            pool_metrics.TIMEOUTS.labels(self.alias).inc()
            raise
        pool_metrics.USED.labels(self.alias).inc()
        return connection

    def _put_back(self, connection: Any) -> None:
        pool_metrics.USED.labels(self.alias).dec()
        connection._pool.putconn(connection)

    def _check_out(self, conn_params: dict[str, Any]) -> Any:
        if not self.pool or self._ends is None:
            return super().get_new_connection(conn_params)
        # As Django does it, but for the time: the pool's own is longer than who asks here may wait.
        self.isolation_level = IsolationLevel.READ_COMMITTED
        self.pool.open()
        return self.pool.getconn(max(0.0, self._ends - time.monotonic()))

    def _limits(self) -> Limits:
        limits: Limits = self.settings_dict["LIMITS"]
        return limits

    @contextmanager
    def within(self, seconds: float) -> Iterator[None]:
        """Wait no longer than so many seconds for a connection and all that is asked in here; OperationalError then."""
        self._set_end(time.monotonic() + seconds)
        try:
            yield
        finally:
            self._set_end(None)

    @contextmanager
    def apart(self, seconds: float) -> Iterator[None]:
        """As `within`, on a connection beside the pool where none is open: whoever watches hears something also while
        all of the pool is in use."""
        self._apart = True
        try:
            with self.within(seconds):
                yield
        finally:
            self._apart = False

    def _set_end(self, ends: float | None) -> None:
        self._ends = ends
        if isinstance(self.connection, BoundedConnection):
            self.connection.ends = ends

    @contextmanager
    def limited_to(self, limits: Limits) -> Iterator[None]:
        """Let statements in here take as long as another kind of work may; what is broken off bears its advice."""
        self.ensure_connection()
        with self.cursor() as cursor:
            cursor.execute("select set_config('statement_timeout', %s, false)", [f"{limits.statement}s"])
        own = self.connection
        own.patience = limits.patience
        try:
            yield
        except DjangoOperationalError as error:
            if limits.advice:
                error.add_note(limits.advice)
            raise
        finally:
            own.patience = self._limits().patience
            if own is self.connection and not own.closed and not self.needs_rollback:
                with self.cursor() as cursor:
                    cursor.execute("reset statement_timeout")

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
        if self.pool and self.connection is not None:
            with self.wrap_database_errors:
                connection, self.connection = self.connection, None
                if getattr(connection, "_pool", None):
                    self._put_back(connection)
                else:  # it was made apart
                    connection.close()
            return
        super()._close()  # type: ignore[misc]  # not in the stubs


def _is_alive(connection: BoundedConnection) -> bool:
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
