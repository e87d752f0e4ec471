"""Hear what changed: one LISTEN connection per process wakes long polls and feeds the event streams of open pages."""

import json
import logging
import os
import queue
import threading
import time
from collections.abc import Callable
from typing import Any, TypeVar

import psycopg
from django.db import connection

from approvals.services.dispatch import LIVE

log = logging.getLogger(__name__)

RECHECK = 5.0  # seconds after which a waiter looks again by itself: a lost notice costs that much, not the answer
NOT_LIBPQ = {"pool", "prepare_threshold"}  # of a database's OPTIONS
BACKLOG = 500  # notices a slow page may be behind before its stream ends and it starts over
Notice = dict[str, Any]
T = TypeVar("T")


class Full(Exception):
    """This process already serves as many event streams as it may."""


class Ear:
    """The process's listener. Started lazily by the first who waits (so that a fork never shares it), daemonic."""

    def __init__(self) -> None:
        self.heard = threading.Condition()
        self.count = 0
        self.streams: set[queue.Queue[Notice | None]] = set()
        self.pid = 0
        self.stopped = threading.Event()
        self.thread: threading.Thread | None = None

    def start(self) -> None:
        """Make sure that this very process listens."""
        with self.heard:
            if self.pid == os.getpid() and self.thread and self.thread.is_alive():
                return
            self.pid = os.getpid()
            self.stopped.clear()
            self.thread = threading.Thread(target=self._listen, name="live", daemon=True)
            self.thread.start()

    def close(self) -> None:
        """Let every waiter and stream end: the process is about to stop. Safe in a signal handler."""
        self.stopped.set()
        for stream in list(self.streams):
            stream.put(None)

    def stop(self) -> None:
        """Close and join the thread; the next waiter starts it again."""
        self.close()
        with self.heard:
            thread, self.thread = self.thread, None
            self.heard.notify_all()
        if thread:
            thread.join(timeout=5)

    def wait(self, seconds: float, seen: int) -> None:
        """Return when something changed since `seen` (a value of `count`), or after `seconds`."""
        with self.heard:
            if self.count == seen and not self.stopped.is_set():
                self.heard.wait(seconds)

    def subscribe(self, most: int) -> "queue.Queue[Notice | None]":
        """Return a queue of notices from now on; None in it means the stream should end. Raise Full."""
        self.start()
        with self.heard:
            if len(self.streams) >= most:
                raise Full
            stream: queue.Queue[Notice | None] = queue.Queue(BACKLOG)
            self.streams.add(stream)
            return stream

    def unsubscribe(self, stream: "queue.Queue[Notice | None]") -> None:
        with self.heard:
            self.streams.discard(stream)

    def _listen(self) -> None:
        while not self.stopped.is_set():
            try:
                with psycopg.connect(**connection_parameters(), autocommit=True, application_name="hitl live") as ear:
                    ear.execute(f"listen {LIVE}")
                    self._tell({"event": "reset"})  # whatever was missed while away
                    self._follow(ear)
            except psycopg.OperationalError as error:
                log.warning("The live connection was lost: %s", error)
                self.stopped.wait(1)

    def _follow(self, ear: "psycopg.Connection[tuple[object, ...]]") -> None:
        while not self.stopped.is_set():
            for notify in ear.notifies(timeout=0.5):
                self._tell(json.loads(notify.payload))
                if self.stopped.is_set():
                    return

    def _tell(self, notice: Notice) -> None:
        with self.heard:
            self.count += 1
            self.heard.notify_all()
            for stream in self.streams:
                try:
                    stream.put_nowait(notice)
                except queue.Full:  # a page that does not read: end its stream, it will start over
                    stream.get_nowait()
                    stream.put_nowait(None)


ear = Ear()


def connection_parameters() -> dict[str, Any]:
    """Return libpq parameters for a connection of our own outside the pool: all that the pool's have, TLS above all."""
    database = connection.settings_dict  # with the test runner's name, where there is one
    given = {
        "dbname": database["NAME"],
        "user": database["USER"],
        "password": database["PASSWORD"],
        "host": database["HOST"],
        "port": database["PORT"],
    }
    options = {name: value for name, value in database["OPTIONS"].items() if name not in NOT_LIBPQ}
    return {name: value for name, value in given.items() if value} | options


def wait_until(look: Callable[[], T | None], seconds: float) -> T | None:
    """Return what `look` finds, asking again whenever something changed, or None after `seconds`.

    The database connection goes back to the pool while nothing happens: sixty waiting callers hold none.
    """
    if seconds <= 0:
        return look()
    ear.start()
    deadline = time.monotonic() + seconds
    while True:
        seen = ear.count
        found = look()
        left = deadline - time.monotonic()
        if found is not None or left <= 0 or ear.stopped.is_set():
            return found
        if not connection.in_atomic_block:
            connection.close()
        ear.wait(min(left, RECHECK), seen)
