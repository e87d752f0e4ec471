"""How gunicorn serves the web part: processes, threads, logs, metrics files; the addresses come from the settings."""

import gc
import os
import signal
import threading
import warnings
from pathlib import Path
from types import FrameType
from typing import Any

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "hitl.settings")
# A deep CEL expression overflows a small C stack and kills the process; this is virtual memory only.
threading.stack_size(16 << 20)

from django.conf import settings  # noqa: E402 - the two lines above come first
from django.db import connections  # noqa: E402
from gunicorn.glogging import Logger  # noqa: E402

from hitl import embedded_postgres  # noqa: E402

# Loopback unless told: what a newcomer starts is nobody else's business. The image sets 0.0.0.0.
bind = f"{settings.HITL_BIND}:{settings.PORT}"
worker_class = "hitl.gunicorn_worker.PatientWorker"
workers = settings.WEB_WORKERS
threads = settings.WEB_THREADS + settings.EVENT_STREAMS  # a stream holds its thread
worker_connections = 4_000  # most of them wait in the main loop; the oldest idle ones make room
preload_app = False  # a query before the fork would leave both workers with one pool and no pool threads
timeout = 60
graceful_timeout = 20
keepalive = 5
limit_request_line = 8190  # a queue URL with every filter set and a cursor
control_socket_disable = True  # else two instances share $HOME/.gunicorn/gunicorn.ctl
forwarded_allow_ips = ""  # TRUSTED_PROXIES decides, in one place
# Before collectstatic has run whitenoise finds the files where they are, and warns about a directory it does not need.
warnings.filterwarnings("ignore", "No directory at", UserWarning)


class Log(Logger):  # type: ignore[misc]  # untyped
    """gunicorn's log without its lines of access, which it composes for nobody where the handlers are ours: the
    middleware logs each request once, with its id."""

    access_log_enabled = False


logger_class = Log

_loggers = {
    **settings.LOGGING.get("loggers", {}),
    "gunicorn.error": {"level": "INFO", "handlers": [], "propagate": True},
}
logconfig_dict = {**settings.LOGGING, "loggers": _loggers}

# Metrics of all workers, one set of files per instance: whoever wipes them at its start must not wipe a neighbour's.
os.environ["PROMETHEUS_MULTIPROC_DIR"] = settings.PROMETHEUS_MULTIPROC_DIR


def on_starting(server: Any) -> None:
    """Start the embedded database and forget the metrics of the last run."""
    if settings.EMBEDDED:
        embedded_postgres.ensure_running(settings.HITL_DATA_DIR)
    directory = Path(settings.PROMETHEUS_MULTIPROC_DIR)
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    for file in directory.glob("*.db"):
        file.unlink(missing_ok=True)


def pre_fork(server: Any, worker: Any) -> None:
    """Leave no open connection to the children: both workers would write into one socket."""
    for connection in connections.all(initialized_only=True):
        connection.close()
        connection.close_pool()  # type: ignore[attr-defined]


def post_worker_init(worker: Any) -> None:
    """Load what the first request would, and end event streams and long polls at SIGTERM: gthread waits for each of
    them, up to the grace time."""
    # Imported here: they need Django's apps, which the worker has loaded only now.
    from django.urls import get_resolver

    from approvals.live import listener
    from hitl import process_metrics

    process_metrics.begin()
    get_resolver().url_patterns  # noqa: B018 - the property imports every view
    # What is loaded now stays: nothing in it need be looked through for garbage again and again.
    gc.collect()
    gc.freeze()

    stop = signal.getsignal(signal.SIGTERM)

    def close(number: int, frame: FrameType | None) -> None:
        listener.close()
        if callable(stop):
            stop(number, frame)

    signal.signal(signal.SIGTERM, close)


def child_exit(server: Any, worker: Any) -> None:
    """Drop the live gauges of a worker that has gone."""
    # Imported here: the client picks its storage at import, so PROMETHEUS_MULTIPROC_DIR must stand first.
    from prometheus_client import multiprocess

    multiprocess.mark_process_dead(worker.pid)  # type: ignore[no-untyped-call]
