"""Live notices of changes: one LISTEN connection per process wakes long polls and feeds open pages' event streams."""

import json
import logging
import os
import queue
import threading
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

import psycopg
from django.conf import settings
from django.db import connection

from approvals.errors import TooMany
from approvals.services.dispatch import LIVE

log = logging.getLogger(__name__)

RECHECK = 5.0  # seconds after which a long poll looks again by itself, in case a notice was lost
NOT_LIBPQ = {"pool", "prepare_threshold"}  # of a database's OPTIONS
BACKLOG = 500  # notices a slow page may be behind before its stream is ended, and it connects again
Notice = dict[str, Any]
T = TypeVar("T")


class WaitSlots:
    """Counts who waits in this process, on an event stream or with `wait=`, each with a thread of its own: at most
    EVENT_STREAMS in all, and WAITS_PER_CALLER of one person or token."""

    def __init__(self) -> None:
        self.in_use: Counter[str] = Counter()
        self.lock = threading.Lock()

    def acquire(self, caller: str) -> None:
        """Take a slot for a caller, by the id of their actor; raise TooMany if none is free."""
        with self.lock:
            if self.in_use.total() >= settings.EVENT_STREAMS:
                raise TooMany("As many callers wait here as may; ask again later, or without waiting.", retry_after=15)
            if self.in_use[caller] >= settings.WAITS_PER_CALLER:
                sentence = f"One caller may wait {settings.WAITS_PER_CALLER} times at once; ask again later."
                raise TooMany(sentence, retry_after=15)
            self.in_use[caller] += 1

    def release(self, caller: str) -> None:
        """Free the slot."""
        with self.lock:
            self.in_use[caller] -= 1
            if not self.in_use[caller]:
                del self.in_use[caller]


wait_slots = WaitSlots()

STREAM_CHECK = 3.0  # seconds between checks whether the subscribers of open streams may still receive notices


@dataclass(frozen=True, slots=True)
class Subscriber:
    """Who receives a stream: the person, with what ends their sessions if it changes, session and token."""

    user_id: int | None = None
    password: str = ""
    signed_out: int = 0
    session_key: str | None = None
    token_id: int | None = None


ENDED_STREAMS_SQL = """
select ordinal from unnest(%s::int[], %s::bigint[], %s::text[], %s::int[], %s::text[], %s::bigint[])
    as subscriber (ordinal, user_id, password, signed_out, session_key, token_id)
where user_id is not null and not exists (
    select from approvals_user person
    where person.id = subscriber.user_id and person.is_active
        and (session_key is null or person.password = subscriber.password
            and person.signed_out_everywhere = subscriber.signed_out))
or session_key is not null and not exists (
    select from django_session session
    where session.session_key = subscriber.session_key and session.expire_date > now())
or token_id is not null and not exists (
    select from approvals_apitoken token where token.id = subscriber.token_id and token.revoked_at is null
        and (token.expires_at is null or token.expires_at > now()))
"""


class Listener:
    """The process's listener, a daemon thread. The first caller that waits starts it: a fork never shares it."""

    def __init__(self) -> None:
        self.changed = threading.Condition()
        self.count = 0
        self.streams: dict[queue.Queue[Notice | None], Subscriber] = {}
        self.pid = 0
        self.stopped = threading.Event()
        self.thread: threading.Thread | None = None

    def start(self) -> None:
        """Make sure that this very process listens."""
        with self.changed:
            if self.pid == os.getpid() and self.thread and self.thread.is_alive():
                return
            self.pid = os.getpid()
            self.stopped.clear()
            self.thread = threading.Thread(target=self._listen, name="live", daemon=True)
            self.thread.start()

    def close(self) -> None:
        """End every long poll and stream, because the process is about to stop. Safe in a signal handler."""
        self.stopped.set()
        for stream in list(self.streams):
            stream.put(None)

    def stop(self) -> None:
        """Close and join the thread; the next caller that waits starts it again."""
        self.close()
        with self.changed:
            thread, self.thread = self.thread, None
            self.changed.notify_all()
        if thread:
            thread.join(timeout=5)

    def wait(self, seconds: float, seen: int) -> None:
        """Return when something changed since `seen` (a value of `count`), or after `seconds`."""
        with self.changed:
            if self.count == seen and not self.stopped.is_set():
                self.changed.wait(seconds)

    def subscribe(self, subscriber: Subscriber) -> "queue.Queue[Notice | None]":
        """Return a queue of notices from now on. None in it ends the stream: the process stops, or the subscriber may
        no longer receive notices."""
        self.start()
        with self.changed:
            stream: queue.Queue[Notice | None] = queue.Queue(BACKLOG)
            self.streams[stream] = subscriber
            return stream

    def unsubscribe(self, stream: "queue.Queue[Notice | None]") -> None:
        with self.changed:
            self.streams.pop(stream, None)

    def _listen(self) -> None:
        while not self.stopped.is_set():
            try:
                with psycopg.connect(
                    **connection_parameters(), autocommit=True, application_name="hitl live"
                ) as postgres:
                    postgres.execute(f"listen {LIVE}")
                    self.broadcast({"event": "reset"})  # notices may have been missed while disconnected
                    self._follow(postgres)
            except psycopg.OperationalError as error:
                log.warning("The live connection was lost: %s", error)
                self.stopped.wait(1)

    def _follow(self, postgres: "psycopg.Connection[tuple[object, ...]]") -> None:
        checked = time.monotonic()
        while not self.stopped.is_set():
            if time.monotonic() - checked >= STREAM_CHECK:
                checked = time.monotonic()
                self._end_unauthorised(postgres)
            for notify in postgres.notifies(timeout=0.5):
                self.broadcast(json.loads(notify.payload))
                if self.stopped.is_set():
                    return

    def broadcast(self, notice: Notice) -> None:
        with self.changed:
            self.count += 1
            self.changed.notify_all()
            for stream in self.streams:
                try:
                    stream.put_nowait(notice)
                except queue.Full:  # a page that does not read: it will connect again
                    _end(stream)

    def _end_unauthorised(self, postgres: "psycopg.Connection[tuple[object, ...]]") -> None:
        """End the streams of people who were switched off or signed out, and of revoked tokens; one query for all."""
        with self.changed:
            open_streams = list(self.streams.items())
        if not open_streams:
            return
        rows = [
            (
                index,
                subscriber.user_id,
                subscriber.password,
                subscriber.signed_out,
                subscriber.session_key,
                subscriber.token_id,
            )
            for index, (_, subscriber) in enumerate(open_streams)
        ]
        for (index,) in postgres.execute(
            ENDED_STREAMS_SQL, [list(column) for column in zip(*rows, strict=True)]
        ).fetchall():
            _end(open_streams[int(str(index))][0])


def _end(stream: "queue.Queue[Notice | None]") -> None:
    """End a stream now, without the notices it has not read."""
    while True:
        try:
            stream.get_nowait()
        except queue.Empty:
            break
    stream.put_nowait(None)


listener = Listener()


def connection_parameters() -> dict[str, Any]:
    """Return libpq parameters for a connection outside the pool: the same as the pool's, TLS above all."""
    database = connection.settings_dict  # with the test runner's name, where there is one
    parameters = {
        "dbname": database["NAME"],
        "user": database["USER"],
        "password": database["PASSWORD"],
        "host": database["HOST"],
        "port": database["PORT"],
    }
    options = {name: value for name, value in database["OPTIONS"].items() if name not in NOT_LIBPQ}
    return {name: value for name, value in parameters.items() if value} | options


def wait_until(look: Callable[[], T | None], seconds: float, caller: str) -> T | None:
    """Return what `look` finds, calling it again whenever something changed, or None after `seconds`. Raise TooMany if
    the caller, by the id of their actor, already waits as often as they may.

    The database connection goes back to the pool during the wait: sixty waiting callers use none.
    """
    found = look()
    if found is not None or seconds <= 0:
        return found
    wait_slots.acquire(caller)
    try:
        return _wait_until(look, seconds)
    finally:
        wait_slots.release(caller)


def _wait_until(look: Callable[[], T | None], seconds: float) -> T | None:
    listener.start()
    deadline = time.monotonic() + seconds
    while True:
        seen = listener.count
        found = look()
        remaining = deadline - time.monotonic()
        if found is not None or remaining <= 0 or listener.stopped.is_set():
            return found
        if not connection.in_atomic_block:
            connection.close()
        listener.wait(min(remaining, RECHECK), seen)
