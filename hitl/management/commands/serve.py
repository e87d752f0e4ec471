"""Everything in the foreground with one command: migrations, web, worker and the database if it is ours."""

import ctypes
import errno
import http.client
import logging
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from dataclasses import dataclass, field
from types import FrameType
from typing import Any, NoReturn

from django.conf import settings
from django.core.management import call_command
from django.core.management.base import BaseCommand, CommandParser
from django.db import connections

from hitl import embedded_postgres
from hitl.environment import env

logger = logging.getLogger(__name__)

STOP_SECONDS = 15.0
LONGEST_WAIT_SECONDS = 5.0  # a start every five seconds costs less than a gate that is away for thirty
HEALTHY_SECONDS = 60.0  # a child that ran this long starts its back-off anew
DATABASE_CHECK_SECONDS = 3.0
FIRST_ANSWER_SECONDS = 60.0
PR_SET_PDEATHSIG = 1  # prctl(2)
# glibc gives threads up to 8 arenas a core; with 200 event streams that cost 63 kB each, with two 54. As in the image.
ARENAS = "2"
# An exception raised by a signal handler is lost where Python runs a finaliser; the loop below looks here too.
_leaving = threading.Event()


@dataclass
class Child:
    """One of our processes and how often it had to be started."""

    name: str
    command: list[str]
    process: "subprocess.Popen[bytes] | None" = None
    failures: int = 0
    started: float = 0.0
    start_at: float = field(default_factory=time.monotonic)


class Command(BaseCommand):
    """Serve on this machine until Ctrl-C."""

    help = (
        "Migrates, then runs web and worker (and the embedded PostgreSQL when DATABASE_URL is unset) in the foreground."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        """Add --demo."""
        parser.add_argument("--demo", action="store_true", help="load the demo data first and print its sign-ins")

    def handle(self, *args: Any, **options: Any) -> None:
        """Run until a signal ends it; raises SystemExit."""
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, _leave)
        _refuse_a_used_port()
        call_command("migrate", interactive=False, verbosity=0)
        if options["demo"]:
            call_command("load_demo")
        _close_pools()
        children = [
            Child("web", [sys.executable, "-m", "gunicorn", "-c", str(_root("hitl/gunicorn.conf.py")), "hitl.wsgi"]),
            Child("worker", [sys.executable, _root("manage.py"), "worker"]),
        ]
        try:
            for child in children:
                _start(child)
            if _web_answers(children[0]):
                self._greet(demo=options["demo"])
            _supervise(children)
        finally:
            _stop(children)

    def _greet(self, *, demo: bool) -> None:
        accounts = settings.HITL_DATA_DIR / "demo-accounts"
        if demo and accounts.exists():
            self.stdout.write(f"\nDemo sign-ins:\n{accounts.read_text('utf-8').rstrip()}")
        self.stdout.write(f"\nHITL is at http://127.0.0.1:{settings.PORT} (Ctrl-C stops it)\n")
        self.stdout.flush()


def _root(path: str) -> str:
    return str(settings.BASE_DIR / path)


def _leave(signum: int, frame: FrameType | None) -> NoReturn:
    _leaving.set()
    sys.exit(0)


def _refuse_a_used_port() -> None:
    """Say so before minutes of preparation; gunicorn would retry and fail in its own words."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((env("HITL_BIND", "127.0.0.1"), settings.PORT))
        except OSError as error:
            if error.errno == errno.EADDRINUSE:
                sys.exit(f"Port {settings.PORT} is already in use: stop what runs there, or set PORT to another one.")
            sys.exit(f"Port {settings.PORT} cannot be used: {error.strerror}.")


def _close_pools() -> None:
    """Leave no connection and no pool thread behind in the process that only watches."""
    for connection in connections.all(initialized_only=True):
        connection.close()
        connection.close_pool()  # type: ignore[attr-defined]


def _start(child: Child) -> None:
    libc, parent = ctypes.CDLL(None), os.getpid()

    def die_with_parent() -> None:
        # Linux only; elsewhere a kill -9 of this process leaves the children to be stopped by hand.
        if hasattr(libc, "prctl"):
            libc.prctl(PR_SET_PDEATHSIG, signal.SIGTERM)
        if os.getppid() != parent:
            os._exit(1)

    path = os.pathsep.join(filter(None, [str(settings.BASE_DIR), os.environ.get("PYTHONPATH")]))
    # Its own session: Ctrl-C must reach us alone, gunicorn takes SIGINT for "quit now".
    child.process = subprocess.Popen(
        child.command,
        start_new_session=True,
        preexec_fn=die_with_parent,  # safe: no other thread runs in this process
        env={"MALLOC_ARENA_MAX": ARENAS, **os.environ, "PYTHONPATH": path},
    )
    child.started = time.monotonic()


def _web_answers(web: Child) -> bool:
    """Wait until the web process answers; if it does not, the log says why and the restarts go on."""
    deadline = time.monotonic() + FIRST_ANSWER_SECONDS
    while time.monotonic() < deadline and web.process and web.process.poll() is None:
        connection = http.client.HTTPConnection("127.0.0.1", settings.PORT, timeout=5)
        try:
            connection.request("GET", "/healthz")
            connection.getresponse()  # whatever it says: gunicorn opens the port long before a worker can answer
            return True
        except (OSError, http.client.HTTPException):
            time.sleep(0.1)
        finally:
            connection.close()
    return False


def _supervise(children: list[Child]) -> None:
    """Start again whatever ends, with growing pauses, until a signal."""
    next_check = 0.0
    while not _leaving.wait(0.3):
        for child in children:
            _restart_if_ended(child)
        if settings.EMBEDDED and time.monotonic() > next_check:
            _restart_database()
            next_check = time.monotonic() + DATABASE_CHECK_SECONDS


def _restart_if_ended(child: Child) -> None:
    now = time.monotonic()
    if child.process is not None:
        code = child.process.poll()
        if code is None:
            return
        _kill_group(child.process.pid)  # orphans of a killed gunicorn would keep the port
        child.process = None
        child.failures = 0 if now - child.started > HEALTHY_SECONDS else child.failures + 1
        wait = min(0.5 * 2 ** min(child.failures, 10), LONGEST_WAIT_SECONDS)
        child.start_at = now + wait
        logger.error("The %s process ended with code %s; starting it again in %.1f s.", child.name, code, wait)
    if now >= child.start_at:
        _start(child)


def _restart_database() -> None:
    if embedded_postgres.is_ready(settings.HITL_DATA_DIR):
        return
    logger.error("The embedded PostgreSQL does not answer; starting it again.")
    try:
        embedded_postgres.ensure_running(settings.HITL_DATA_DIR)
    except embedded_postgres.EmbeddedPostgresError as error:
        logger.error("%s", error)


def _stop(children: list[Child]) -> None:
    """End all children at once, politely first; a second Ctrl-C changes nothing."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    running = [child.process for child in children if child.process]
    for process in running:
        process.terminate()
    deadline = time.monotonic() + STOP_SECONDS
    for process in running:
        try:
            process.wait(max(0.0, deadline - time.monotonic()))
        except subprocess.TimeoutExpired:
            logger.error("Process %s did not stop in %s s and is killed.", process.pid, STOP_SECONDS)
        _kill_group(process.pid)
        process.wait()


def _kill_group(pid: int) -> None:
    """Kill what is left of a child's session: each child leads its own."""
    try:
        os.killpg(pid, signal.SIGKILL)
    except ProcessLookupError:
        pass  # nothing is left
