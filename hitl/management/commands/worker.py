"""The worker process: the sequencer and the jobs, both started again whenever they fail, until SIGTERM."""

import asyncio
import logging
import signal
import threading
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from functools import partial
from typing import Any

from asgiref.sync import sync_to_async
from django.conf import settings
from django.core.management.base import BaseCommand
from django.db import connections
from procrastinate.contrib.django import app
from procrastinate.contrib.django.utils import connector_params
from procrastinate.psycopg_connector import PsycopgConnector

from approvals import sequencer
from hitl import traces
from postgresql.bounded import BoundedAsyncConnection

logger = logging.getLogger(__name__)

LONGEST_WAIT_SECONDS = 2.0  # feed, timers and live pages wait for it once the database is back
HEALTHY_SECONDS = 10.0  # who ran this long starts its back-off anew
STOP_SECONDS = 12.0  # jobs get 5 s (PROCRASTINATE_WORKER_DEFAULTS), the rest is for a slow database
# A statement of a job may take DB_WORKER_STATEMENT_SECONDS; whose thread says nothing for this much longer hangs.
HANGING_SECONDS = 60.0


class Stop(threading.Event):
    """The signal to stop, which remembers when its thread last looked at it: one that does not look hangs."""

    def __init__(self) -> None:
        super().__init__()
        self.looked_at = time.monotonic()

    def is_set(self) -> bool:
        """Return whether to stop."""
        self.looked_at = time.monotonic()
        return super().is_set()


class Command(BaseCommand):
    """Run the sequencer and the jobs in the foreground."""

    help = "Runs the sequencer and the background jobs until SIGTERM or Ctrl-C."

    def handle(self, *args: Any, **options: Any) -> None:
        """Start both threads and wait for a signal."""
        traces.start("hitl-worker")
        stop = threading.Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: stop.set())
        # Daemons: a job that never ends must not hold the process after STOP_SECONDS.
        stops = {"sequencer": Stop(), "jobs": Stop()}
        runs = {"sequencer": partial(sequencer.run, beat=partial(touch, "worker-ready")), "jobs": run_jobs}
        threads = [
            threading.Thread(target=keep_running, args=(name, run, stops[name]), name=name, daemon=True)
            for name, run in runs.items()
        ]
        for thread in threads:
            thread.start()
        while not stop.wait(1.0):  # a wait without end would keep Python from running the signal handler
            say_alive(stops.values())
        for each in stops.values():
            each.set()
        deadline = time.monotonic() + STOP_SECONDS
        for thread in threads:
            thread.join(max(0.0, deadline - time.monotonic()))
            if thread.is_alive():
                logger.error(
                    "The %s did not stop in %s s; what it was doing will be taken up again.", thread.name, STOP_SECONDS
                )


def touch(name: str) -> None:
    """Touch a file in the data directory: a worker has no port to be asked at."""
    with suppress(OSError):  # whoever looks finds no file then
        settings.HITL_DATA_DIR.mkdir(mode=0o700, parents=True, exist_ok=True)
        (settings.HITL_DATA_DIR / name).touch(mode=0o600)


def say_alive(stops: Iterable[Stop]) -> None:
    """Touch `worker-alive` unless a thread hangs. It says nothing of the database: while that is away both threads try
    again, and a restart would not help them; `worker-ready` is touched after each heartbeat in the database."""
    longest = settings.DATABASE_LIMITS["worker"].statement + HANGING_SECONDS
    if all(time.monotonic() - stop.looked_at < longest for stop in stops):
        touch("worker-alive")


def keep_running(name: str, run: Callable[[threading.Event], None], stop: threading.Event) -> None:
    """Call `run(stop)` again after every end, with growing pauses, until `stop` is set."""
    failures = 0
    while not stop.is_set():
        started = time.monotonic()
        try:
            run(stop)
        except Exception:
            # Whatever it was (a database restart, a bug met by one row), a worker that stays away is worse.
            logger.exception("The %s failed and will be started again.", name)
        # The thread's connections may be the dead ones that made it fail.
        connections.close_all()
        failures = 0 if time.monotonic() - started > HEALTHY_SECONDS else failures + 1
        if not stop.is_set():
            logger.warning("The %s ended; starting it again.", name)
            stop.wait(min(0.5 * 2 ** min(failures, 10), LONGEST_WAIT_SECONDS))


def run_jobs(stop: threading.Event) -> None:
    """Run procrastinate's worker until `stop` is set or it ends by itself (it does when the database goes away)."""
    asyncio.run(_run_jobs(stop))


def jobs_connector() -> PsycopgConnector:
    """Return procrastinate's own pool, as its Django connector makes it, but of connections as patient as Django's."""
    patience = connections["default"].settings_dict["LIMITS"].patience

    async def be_patient(connection: BoundedAsyncConnection) -> None:
        connection.patience = patience

    return PsycopgConnector(kwargs=connector_params(), connection_class=BoundedAsyncConnection, configure=be_patient)


async def _run_jobs(stop: threading.Event) -> None:
    # with_connector, not replace_connector: the latter would take the Django connection away from the sequencer
    # and from every job, and what they defer would no longer commit or roll back with what they write.
    worker_app = app.with_connector(jobs_connector())
    # Periodic jobs are deferred through Django's connection of this thread, which may have died with the last run.
    await sync_to_async(connections.close_all)()
    async with worker_app.open_async():
        work = asyncio.create_task(
            worker_app.run_worker_async(install_signal_handlers=False, worker_middleware=traces.around_jobs())
        )
        while not stop.is_set() and not work.done():
            await asyncio.wait([work], timeout=0.2)
        if not work.done():
            work.cancel()  # finishes running jobs first
        await asyncio.gather(work, return_exceptions=stop.is_set())
