"""Callers that start at the same moment, each on a thread and a database connection of its own."""

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from typing import TypeVar

from django.db import connections

T = TypeVar("T")

PATIENCE_SECONDS = 60.0  # a deadlock becomes an error of this test instead of a run that never ends


def at_once(*calls: Callable[[], T]) -> list[T]:
    """Return what the calls return, in their order; raise the first exception one of them raised.

    No caller starts before every thread stands at the line, and none holds a connection while it waits there.
    """
    line = Barrier(len(calls))

    def run(call: Callable[[], T]) -> T:
        try:
            line.wait(PATIENCE_SECONDS)
            return call()
        finally:
            connections.close_all()  # the connection goes back to the pool, as at the end of a request

    with ThreadPoolExecutor(len(calls)) as threads:
        futures = [threads.submit(run, call) for call in calls]
        return [future.result(PATIENCE_SECONDS) for future in futures]


def after(seconds: float, call: Callable[[], T]) -> Callable[[], T]:
    """Return the call with a pause before it, so that over the rounds of a race either side comes first."""

    def late() -> T:
        time.sleep(seconds)
        return call()

    return late
