"""`manage.py serve` as a newcomer runs it: it answers, it brings dead children back, and it leaves nothing behind."""

import fcntl
import os
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from hitl.management.commands.worker import keep_running
from tests.ports import free_port

ROOT = Path(__file__).resolve().parents[2]
PATIENCE_SECONDS = 120.0  # a busy machine; nothing here is a measurement

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not Path("/proc/self/environ").exists(), reason="looks for processes in /proc"),
]


@dataclass
class Served:
    """A running `serve`, its port and its data directory."""

    process: subprocess.Popen[str]
    port: int
    data_dir: Path

    def answers(self) -> bool:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/healthz", timeout=10) as response:
                return bool(response.status == 200)
        except (urllib.error.URLError, ConnectionError, TimeoutError):
            return False

    def probe(self, path: str) -> tuple[int, float]:
        """Return the status of a probe and after how many seconds it came; 0 where nobody answers."""
        started = time.monotonic()
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.port}{path}", timeout=30) as response:
                code = int(response.status)
        except urllib.error.HTTPError as error:
            code = error.code
        except (urllib.error.URLError, ConnectionError, TimeoutError):
            code = 0
        return code, time.monotonic() - started

    def processes(self) -> dict[int, str]:
        """Return pid -> command line of everything started with this data directory."""
        found = {}
        for directory in Path("/proc").glob("[0-9]*"):
            try:
                if f"HITL_DATA_DIR={self.data_dir}\0".encode() in (directory / "environ").read_bytes():
                    found[int(directory.name)] = (directory / "cmdline").read_bytes().replace(b"\0", b" ").decode()
            except (FileNotFoundError, PermissionError, ProcessLookupError):
                continue  # ended meanwhile, or not ours
        return found

    def pid_of(self, words: str) -> int | None:
        return min((pid for pid, command in self.processes().items() if words in command), default=None)


def wait_until(true: Callable[[], object]) -> bool:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while time.monotonic() < deadline:
        if true():
            return True
        time.sleep(0.1)
    return False


def environment(data_dir: Path, port: int) -> dict[str, str]:
    ours = ("HITL_", "DATABASE_", "DJANGO_", "SECRET_KEY", "PORT", "BASE_URL", "PROMETHEUS_", "PYTEST_")
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(ours)}
    return {**inherited, "HITL_DATA_DIR": str(data_dir), "PORT": str(port), "WEB_WORKERS": "1"}


def copy_prepared(tmp_path_factory: pytest.TempPathFactory, to: Path) -> None:
    """Copy a data directory that was migrated and stopped, made once for all workers by the first that asks."""
    shared = tmp_path_factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        shared = shared.parent
    made, making = shared / "prepared", shared / "prepared.new"
    with (shared / "prepared.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not made.exists():
            command = [sys.executable, str(ROOT / "manage.py"), "migrate", "--verbosity", "0"]
            subprocess.run(command, env=environment(making, free_port()), check=True, timeout=PATIENCE_SECONDS)
            assert wait_until(lambda: not (making / "pg" / "postmaster.pid").exists())
            making.rename(made)
    shutil.copytree(made, to)


@contextmanager
def serving(tmp_path: Path) -> Iterator[Served]:
    """Serve on a free port with the data in `data`, and stop whatever is left."""
    port = free_port()
    with (tmp_path / "output").open("w") as output:
        process = subprocess.Popen(
            [sys.executable, ROOT / "manage.py", "serve"],
            cwd=tmp_path,  # it must work from anywhere
            env=environment(tmp_path / "data", port),
            stdout=output,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )
    running = Served(process, port, tmp_path / "data")
    try:
        assert wait_until(lambda: running.answers() or process.poll() is not None)
        assert process.poll() is None, (tmp_path / "output").read_text()
        yield running
    finally:
        process.terminate()
        process.wait(PATIENCE_SECONDS)


@pytest.fixture
def served(tmp_path: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """Serve with data that is there already, as at every start but the first."""
    copy_prepared(tmp_path_factory, tmp_path / "data")
    with serving(tmp_path) as running:
        yield running


def test_the_first_start_makes_its_data_and_ctrl_c_leaves_no_process(tmp_path: Path) -> None:
    with serving(tmp_path) as first:
        assert_it_stops(first, signal.SIGINT)


def test_sigterm_leaves_no_process(served: Served) -> None:
    assert_it_stops(served, signal.SIGTERM)


def assert_it_stops(served: Served, number: int) -> None:
    assert wait_until(lambda: served.pid_of("manage.py worker"))
    os.killpg(served.process.pid, number)
    assert served.process.wait(PATIENCE_SECONDS) == 0
    assert wait_until(lambda: not served.processes())  # the keeper of the database follows a moment later
    assert not (served.data_dir / "pg" / "postmaster.pid").exists()
    assert f"http://127.0.0.1:{served.port}" in (served.data_dir.parent / "output").read_text()


def test_what_only_watches_is_light(served: Served) -> None:
    status = Path(f"/proc/{served.process.pid}/status").read_text()
    kilobytes = int(status.split("VmRSS:")[1].split()[0])
    assert kilobytes < 30_000


def test_a_killed_worker_is_started_again(served: Served) -> None:
    assert wait_until(lambda: served.pid_of("manage.py worker"))
    killed = served.pid_of("manage.py worker")
    assert killed
    os.kill(killed, signal.SIGKILL)
    assert wait_until(lambda: served.pid_of("manage.py worker") not in (killed, None))


def test_a_killed_web_server_and_a_killed_database_come_back(served: Served) -> None:
    web = served.pid_of("gunicorn")
    assert web
    os.kill(web, signal.SIGKILL)
    assert wait_until(lambda: served.pid_of("gunicorn") != web and served.answers())

    pid_file = served.data_dir / "pg" / "postmaster.pid"
    database = pid_file.read_text().split()[0]
    os.kill(int(database), signal.SIGKILL)
    assert wait_until(lambda: pid_file.exists() and pid_file.read_text().split()[:1] != [database])
    assert wait_until(served.answers)


def test_probes_answer_in_time_while_the_whole_database_is_frozen(served: Served) -> None:
    assert wait_until(lambda: served.probe("/readyz")[0] == 200)
    pids = postgres_processes(served.data_dir)
    for pid in pids:
        os.kill(pid, signal.SIGSTOP)
    try:
        for _ in range(3):
            for path, status in (("/healthz", 200), ("/readyz", 503), ("/health", 503)):
                code, seconds = served.probe(path)
                assert (path, code) == (path, status)
                assert seconds < 3, path
    finally:
        for pid in pids:
            os.kill(pid, signal.SIGCONT)
    assert wait_until(lambda: served.probe("/readyz")[0] == 200)


def postgres_processes(data_dir: Path) -> list[int]:
    """Return the postmaster, which makes no further process once it is stopped, and its children."""
    postmaster = (data_dir / "pg" / "postmaster.pid").read_text().split()[0]
    children = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            parent = stat.read_text().rpartition(")")[2].split()[1]
        except (FileNotFoundError, ProcessLookupError):
            continue  # ended meanwhile
        if parent == postmaster:
            children.append(int(stat.parent.name))
    return [int(postmaster), *children]


def test_killing_the_parent_takes_everything_down(served: Served) -> None:
    assert wait_until(lambda: served.pid_of("manage.py worker"))
    served.process.kill()
    served.process.wait(PATIENCE_SECONDS)
    assert wait_until(lambda: not served.processes())
    assert wait_until(lambda: not (served.data_dir / "pg" / "postmaster.pid").exists())


def test_a_part_of_the_worker_that_fails_is_logged_and_started_again(caplog: pytest.LogCaptureFixture) -> None:
    stop, calls = threading.Event(), []

    def fail_once(given: threading.Event) -> None:
        calls.append(given)
        if len(calls) == 1:
            raise ConnectionError("the database went away")
        given.set()

    thread = threading.Thread(target=keep_running, args=("sequencer", fail_once, stop))
    thread.start()
    thread.join(PATIENCE_SECONDS)
    assert calls == [stop, stop]
    assert "the database went away" in caplog.text


def test_a_port_in_use_is_one_sentence(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        command = [sys.executable, str(ROOT / "manage.py"), "serve"]
        done = subprocess.run(
            command, env=environment(tmp_path, port), capture_output=True, text=True, timeout=PATIENCE_SECONDS
        )
    assert done.returncode == 1
    assert done.stderr == f"Port {port} is already in use: stop what runs there, or set PORT to another one.\n"
