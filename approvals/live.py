"""Hear what changed: one LISTEN connection per process wakes long polls and feeds the event streams of open pages."""

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

RECHECK = 5.0  # seconds after which a waiter looks again by itself: a lost notice costs that much, not the answer
NOT_LIBPQ = {"pool", "prepare_threshold"}  # of a database's OPTIONS
BACKLOG = 500  # notices a slow page may be behind before its stream ends and it starts over
Notice = dict[str, Any]
T = TypeVar("T")


class Places:
    """Who waits in this process, on an event stream or with `wait=`, each with a thread of its own: EVENT_STREAMS in
    all, WAITS_PER_CALLER of one person or token."""

    def __init__(self) -> None:
        self.taken: Counter[str] = Counter()
        self.lock = threading.Lock()

    def take(self, who: str) -> None:
        """Take a place for a caller, by the id of their actor; raise TooMany where there is none."""
        with self.lock:
            if self.taken.total() >= settings.EVENT_STREAMS:
                raise TooMany("As many callers wait here as may; ask again later, or without waiting.", retry_after=15)
            if self.taken[who] >= settings.WAITS_PER_CALLER:
                sentence = f"One caller may wait {settings.WAITS_PER_CALLER} times at once; ask again later."
                raise TooMany(sentence, retry_after=15)
            self.taken[who] += 1

    def leave(self, who: str) -> None:
        """Give the place back."""
        with self.lock:
            self.taken[who] -= 1
            if not self.taken[who]:
                del self.taken[who]


places = Places()

CHECK = 3.0  # seconds between looks at whether those whose streams are open may still hear


@dataclass(frozen=True, slots=True)
class Subscriber:
    """Who hears a stream: a person by what their sessions hang on, the session and the token, where there is one."""

    user_id: int | None = None
    password: str = ""
    signed_out: int = 0
    session_key: str | None = None
    token_id: int | None = None


OVER = """
select place from unnest(%s::int[], %s::bigint[], %s::text[], %s::int[], %s::text[], %s::bigint[])
    as hearer (place, user_id, password, signed_out, session_key, token_id)
where user_id is not null and not exists (
    select from approvals_user person
    where person.id = hearer.user_id and person.is_active
        and (session_key is null or person.password = hearer.password
            and person.signed_out_everywhere = hearer.signed_out))
or session_key is not null and not exists (
    select from django_session kept where kept.session_key = hearer.session_key and kept.expire_date > now())
or token_id is not null and not exists (
    select from approvals_apitoken token where token.id = hearer.token_id and token.revoked_at is null
        and (token.expires_at is null or token.expires_at > now()))
"""


class Listener:
    """The process's listener. Started lazily by the first who waits (so that a fork never shares it), daemonic."""

    def __init__(self) -> None:
        self.heard = threading.Condition()
        self.count = 0
        self.streams: dict[queue.Queue[Notice | None], Subscriber] = {}
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

    def subscribe(self, hearer: Subscriber) -> "queue.Queue[Notice | None]":
        """Return a queue of notices from now on; None in it means the stream should end: the process stops, or who
        hears it may no longer."""
        self.start()
        with self.heard:
            stream: queue.Queue[Notice | None] = queue.Queue(BACKLOG)
            self.streams[stream] = hearer
            return stream

    def unsubscribe(self, stream: "queue.Queue[Notice | None]") -> None:
        with self.heard:
            self.streams.pop(stream, None)

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
        looked = time.monotonic()
        while not self.stopped.is_set():
            if time.monotonic() - looked >= CHECK:
                looked = time.monotonic()
                self._end_those_over(ear)
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
                except queue.Full:  # a page that does not read: it will start over
                    _end(stream)

    def _end_those_over(self, ear: "psycopg.Connection[tuple[object, ...]]") -> None:
        """End the streams of who was switched off or signed out, or whose token was revoked: one query for all."""
        with self.heard:
            hearing = list(self.streams.items())
        if not hearing:
            return
        rows = [
            (place, one.user_id, one.password, one.signed_out, one.session_key, one.token_id)
            for place, (_, one) in enumerate(hearing)
        ]
        for (place,) in ear.execute(OVER, [list(column) for column in zip(*rows, strict=True)]).fetchall():
            _end(hearing[int(str(place))][0])


def _end(stream: "queue.Queue[Notice | None]") -> None:
    """Let a stream end now, whatever it has not read."""
    while True:
        try:
            stream.get_nowait()
        except queue.Empty:
            break
    stream.put_nowait(None)


ear = Listener()


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


def wait_until(look: Callable[[], T | None], seconds: float, who: str) -> T | None:
    """Return what `look` finds, asking again whenever something changed, or None after `seconds`. Raise TooMany where
    the caller, by the id of their actor, waits as often as they may.

    The database connection goes back to the pool while nothing happens: sixty waiting callers hold none.
    """
    found = look()
    if found is not None or seconds <= 0:
        return found
    places.take(who)
    try:
        return _wait_until(look, seconds)
    finally:
        places.leave(who)


def _wait_until(look: Callable[[], T | None], seconds: float) -> T | None:
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
