"""Watch over web, worker and the embedded PostgreSQL, and start again what ends. `manage.py serve` becomes this when
all is prepared: it imports neither Django nor psycopg, so that what only waits takes little memory."""

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
from pathlib import Path
from types import FrameType
from typing import NoReturn

from hitl.logs import JsonFormatter, TextFormatter

logger = logging.getLogger("hitl.supervisor")

STOP_SECONDS = 15.0
LONGEST_WAIT_SECONDS = 5.0  # a start every five seconds costs less than a gate that is away for thirty
HEALTHY_SECONDS = 10.0  # a child that ran this long was ended from outside: it starts its back-off anew
DATABASE_CHECK_SECONDS = 1.0  # one connection to a socket of this machine
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


@dataclass(frozen=True)
class Place:
    """Where all of it runs. `database` is the embedded PostgreSQL's socket and data directory, None for another one;
    `accounts` the file with the demo's sign-ins."""

    root: Path
    port: int
    database: tuple[str, str] | None = None
    accounts: Path | None = None


def main(arguments: list[str]) -> None:
    """Run until a signal ends it; raises SystemExit."""
    log_format, root, port, accounts, *database = arguments
    where = (database[0], database[1]) if database else None
    place = Place(Path(root), int(port), where, Path(accounts) if accounts else None)
    handler = logging.StreamHandler()
    handler.setFormatter(JsonFormatter() if log_format == "json" else TextFormatter())
    logging.basicConfig(level=logging.INFO, handlers=[handler])
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, _leave)
    children = [
        Child("web", [sys.executable, "-m", "gunicorn", "-c", str(place.root / "hitl/gunicorn.conf.py"), "hitl.wsgi"]),
        Child("worker", [sys.executable, str(place.root / "manage.py"), "worker"]),
    ]
    try:
        for child in children:
            _start(child)
        if _web_answers(children[0], place.port):
            _greet(place)
        _supervise(children, place)
    finally:
        _stop(children)


def _greet(place: Place) -> None:
    if place.accounts and place.accounts.is_file():
        print(f"\nDemo sign-ins:\n{place.accounts.read_text('utf-8').rstrip()}")
    print(f"\nHITL is at http://127.0.0.1:{place.port} (Ctrl-C stops it)\n", flush=True)


def _leave(signum: int, frame: FrameType | None) -> NoReturn:
    _leaving.set()
    sys.exit(0)


def _start(child: Child) -> None:
    libc, parent = ctypes.CDLL(None), os.getpid()

    def die_with_parent() -> None:
        # Linux only; elsewhere a kill -9 of this process leaves the children to be stopped by hand.
        if hasattr(libc, "prctl"):
            libc.prctl(PR_SET_PDEATHSIG, signal.SIGTERM)
        if os.getppid() != parent:
            os._exit(1)

    # Its own session: Ctrl-C must reach us alone, gunicorn takes SIGINT for "quit now".
    child.process = subprocess.Popen(
        child.command,
        start_new_session=True,
        preexec_fn=die_with_parent,  # safe: no other thread runs in this process
        env={"MALLOC_ARENA_MAX": ARENAS, **os.environ},
    )
    child.started = time.monotonic()


def _web_answers(web: Child, port: int) -> bool:
    """Wait until the web process answers; if it does not, the log says why and the restarts go on."""
    deadline = time.monotonic() + FIRST_ANSWER_SECONDS
    while time.monotonic() < deadline and web.process and web.process.poll() is None:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
        try:
            connection.request("GET", "/healthz")
            connection.getresponse()  # whatever it says: gunicorn opens the port long before a worker can answer
            return True
        except (OSError, http.client.HTTPException):
            time.sleep(0.1)
        finally:
            connection.close()
    return False


def _supervise(children: list[Child], place: Place) -> None:
    """Start again whatever ends, with growing pauses, until a signal."""
    next_check = 0.0
    while not _leaving.wait(0.3):
        for child in children:
            _restart_if_ended(child)
        if place.database and time.monotonic() > next_check:
            _restart_database(place.root, *place.database)
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


def _restart_database(root: Path, address: str, data_dir: str) -> None:
    """Start the server again where nobody listens; a tool of its own does that, and says why if it cannot."""
    with socket.socket(socket.AF_UNIX) as probe:
        probe.setblocking(False)
        failed = probe.connect_ex(address)
    if failed in (errno.ENOENT, errno.ECONNREFUSED):  # not where it is frozen: another one would not get the data
        logger.error("The embedded PostgreSQL does not answer; starting it again.")
        subprocess.run([sys.executable, "-P", str(root / "hitl/embedded_postgres.py"), data_dir, "start"], check=False)


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


if __name__ == "__main__":
    main(sys.argv[1:])
