"""The sequencer's loop: every 200 ms and whenever a decision wakes it. Runs in the worker."""

import logging
import threading
import time

import psycopg
from django.db import connection
from django.utils import timezone

from approvals.live import connection_parameters
from approvals.services.dispatch import dispatch, heartbeat
from audit.log import OUTBOX

log = logging.getLogger(__name__)

INTERVAL = 0.2  # seconds an entry waits at most for its place
GATHER = 0.02  # seconds a wake-up waits for others: eight decisions at once are one batch, not eight
SPACING = 0.2  # seconds from one batch to the next that a wake-up asks for: a busy hour is five batches a second
BEAT = 5.0  # seconds between heartbeats; readiness calls a worker lost after 60


def run(stop: threading.Event) -> None:
    """Place entries until `stop` is set. Database errors end the loop; the worker starts it again."""
    try:
        with _listener() as listener:
            _loop(stop, listener)
    finally:
        connection.close()


def _loop(stop: threading.Event, listener: "psycopg.Connection[tuple[object, ...]]") -> None:
    last_beat = 0.0
    while not stop.is_set():
        if time.monotonic() - last_beat >= BEAT:
            heartbeat("worker", timezone.now())
            last_beat = time.monotonic()
        started = time.monotonic()
        placed = dispatch()
        if placed is not None and placed >= 1000:
            continue  # a full batch: more is waiting
        if any(True for _ in listener.notifies(timeout=INTERVAL, stop_after=1)):
            stop.wait(max(GATHER, SPACING - (time.monotonic() - started)))
            for _ in listener.notifies(timeout=0):
                pass  # they woke us together; one batch places what they announce


def _listener() -> "psycopg.Connection[tuple[object, ...]]":
    """Return a connection of our own outside the pool that hears decisions."""
    listener = psycopg.connect(**connection_parameters(), autocommit=True, application_name="hitl sequencer")
    listener.execute(f"listen {OUTBOX}")
    return listener
