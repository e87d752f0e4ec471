"""The sequencer's loop: every 200 ms and whenever a decision wakes it. Runs in the worker."""

import logging
import threading
import time
from collections.abc import Callable

import psycopg
from django.db import connection
from django.utils import timezone

from approvals.jobs import ask_for, tell, tell_endpoints
from approvals.live import connection_parameters
from approvals.queries.endpoints import live
from approvals.services.dispatch import dispatch, heartbeat
from audit.log import OUTBOX

log = logging.getLogger(__name__)

INTERVAL = 0.2  # seconds an entry waits at most for its position
GATHER = 0.02  # seconds to wait for more after a wake-up: eight decisions at once are one batch, not eight
SPACING = 0.2  # least seconds between two batches after wake-ups: under load five batches a second
HEARTBEAT = 5.0  # seconds between heartbeats; readiness calls a worker lost after 60


def run(stop: threading.Event, beat: Callable[[], None] = lambda: None) -> None:
    """Give entries their positions until `stop` is set, and call `beat` after each heartbeat. Database errors end the
    loop; the worker starts it again."""
    try:
        with connect() as listener:
            _loop(stop, listener, beat)
    finally:
        connection.close()


def _loop(stop: threading.Event, listener: "psycopg.Connection[tuple[object, ...]]", beat: Callable[[], None]) -> None:
    last_heartbeat = 0.0
    while not stop.is_set():
        if time.monotonic() - last_heartbeat >= HEARTBEAT:
            heartbeat("worker", timezone.now())
            beat()
            last_heartbeat = time.monotonic()
        started = time.monotonic()
        placed = dispatch()
        if placed:
            # After the commit; the periodic runs find what a killed sequencer did not ask for.
            ask_for(tell)
            if live().exists():
                ask_for(tell_endpoints)
        if placed is not None and placed >= 1000:
            continue  # a full batch: more entries are pending
        if any(True for _ in listener.notifies(timeout=INTERVAL, stop_after=1)):
            stop.wait(max(GATHER, SPACING - (time.monotonic() - started)))
            for _ in listener.notifies(timeout=0):
                pass  # notices that came meanwhile: one batch places all their entries


def connect() -> "psycopg.Connection[tuple[object, ...]]":
    """Return a connection outside the pool that is notified of decisions."""
    listener = psycopg.connect(**connection_parameters(), autocommit=True, application_name="hitl sequencer")
    listener.execute(f"listen {OUTBOX}")
    return listener
