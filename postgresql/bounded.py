"""Connections that give up on a server that does not answer."""

import time
from collections.abc import AsyncGenerator
from typing import Any

from psycopg import AsyncConnection, Connection, Notify, OperationalError, errors
from psycopg.abc import PQGen

INTERVAL = 0.1  # psycopg's own: how often a wait looks for Ctrl-C


class BoundedConnection(Connection[Any]):
    """Waits for an answer for `patience` seconds, and never beyond `ends`.

    The server's own time-outs are no help where it is frozen, nor are TCP's: the kernel goes on acknowledging. Without
    this each request would hold its thread for as long as that lasts. A connection given up is closed, so that its
    transaction, if it was not committed, is taken back when the server goes on.
    """

    patience: float | None = 10.0  # until it is checked out: the pool sets the time zone
    ends: float | None = None  # on the monotonic clock

    def wait(self, gen: PQGen[Any], interval: float = INTERVAL, timeout: float | None = None) -> Any:
        """Wait for an answer; raise OperationalError where none comes in time."""
        if timeout is not None:
            return super().wait(gen, interval, timeout)
        try:
            return super().wait(gen, interval, self._left())
        except errors._WaitTimeout as error:
            self.pgconn.finish()
            raise OperationalError("the database did not answer in time") from error
        except errors.IdleInTransactionSessionTimeout as error:
            # Else an internal error: for who waits it is a connection lost as any other.
            raise OperationalError(str(error)) from error

    def _left(self) -> float | None:
        left = None if self.ends is None else max(0.0, self.ends - time.monotonic())
        return min((seconds for seconds in (self.patience, left) if seconds is not None), default=None)


class BoundedAsyncConnection(AsyncConnection[Any]):
    """The same for procrastinate's own connections; one that listens waits for news without an end, asked or not."""

    patience: float | None = 10.0  # until the pool has configured it
    _listens = False

    async def wait(self, gen: PQGen[Any], interval: float = INTERVAL, timeout: float | None = None) -> Any:
        """Wait for an answer; raise OperationalError where none comes in time."""
        if timeout is not None or self._listens:
            return await super().wait(gen, interval, timeout)
        try:
            return await super().wait(gen, interval, self.patience)
        except errors._WaitTimeout as error:
            self.pgconn.finish()
            raise OperationalError("the database did not answer in time") from error

    async def notifies(self, *, timeout: float | None = None, stop_after: int | None = None) -> AsyncGenerator[Notify]:
        """Yield what is announced, as psycopg does."""
        self._listens = True
        try:
            async for notify in super().notifies(timeout=timeout, stop_after=stop_after):
                yield notify
        finally:
            self._listens = False
