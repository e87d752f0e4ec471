"""The embedded PostgreSQL, really started in directories of its own: odd paths, sharing, crashes, the last one out."""

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from multiprocessing import get_context
from pathlib import Path

import psycopg
import pytest

from hitl import embedded_postgres
from hitl.embedded_postgres import EmbeddedPostgresError

ROOT = Path(__file__).resolve().parents[2]
# Holds the server until its standard input ends, then leaves the ordinary way.
HOLDER = """
import pathlib, sys
from hitl import embedded_postgres
embedded_postgres.ensure_running(pathlib.Path(sys.argv[1]))
print("running", flush=True)
sys.stdin.read()
"""

pytestmark = pytest.mark.slow
Holder = subprocess.Popen[str]
Hold = Callable[[Path], Holder]


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a data directory whose server has run and was stopped: making one takes longer than starting it."""
    directory = tmp_path_factory.mktemp("cluster") / "data"
    embedded_postgres.ensure_running(directory)
    embedded_postgres.release(directory)
    return directory


@pytest.fixture
def used(tmp_path: Path, cluster: Path) -> Path:
    """Return a data directory of its own, as at every start but the first."""
    return Path(shutil.copytree(cluster, tmp_path / "data"))


@pytest.fixture
def hold() -> Iterator[Hold]:
    """Start processes that use the server of a directory, and end them after the test."""
    started: list[Holder] = []

    def start(data_dir: Path) -> Holder:
        command = [sys.executable, "-c", HOLDER, str(data_dir)]
        process = subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        started.append(process)
        return process

    yield start
    for process in started:
        leave(process)


def is_running(process: Holder) -> bool:
    assert process.stdout
    return process.stdout.readline() == "running\n"


def leave(process: Holder) -> None:
    process.communicate(timeout=90)


def postmaster(data_dir: Path) -> int:
    return int((data_dir / "pg" / "postmaster.pid").read_text().split()[0])


def until(true: Callable[[], object]) -> bool:
    deadline = time.monotonic() + 60
    while not true():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.05)
    return True


def wait_until_gone(pid: int) -> None:
    assert until(lambda: not Path(f"/proc/{pid}").exists())


@pytest.mark.parametrize(
    "name",
    ["plain", "two blanks here", 'it\'s "quoted" $HOME `x` \\n', "comma,comma", "ümläut", "long-" + "x" * 120],
    ids=["plain", "blanks", "quotes", "comma", "umlauts", "long"],
)
def test_it_starts_in_any_directory_and_keeps_its_data(tmp_path: Path, name: str) -> None:
    data_dir = tmp_path / name
    url = embedded_postgres.ensure_running(data_dir)
    try:
        assert url == embedded_postgres.database_url(data_dir)
        with psycopg.connect(url) as connection:
            connection.execute("create table kept as select lower('ÄÖ') as word")
        embedded_postgres.release(data_dir)
        assert not embedded_postgres.is_ready(data_dir)

        embedded_postgres.ensure_running(data_dir)
        with psycopg.connect(url) as connection:
            assert connection.execute("select word, current_database() from kept").fetchone() == ("äö", "hitl")
    finally:
        embedded_postgres.release(data_dir)
        directory = embedded_postgres.socket_dir(data_dir)
        if directory != data_dir:
            directory.rmdir()


def test_the_url_is_known_without_touching_the_disk(tmp_path: Path) -> None:
    assert embedded_postgres.database_url(tmp_path / "nothing here").endswith("nothing%20here")
    assert list(tmp_path.iterdir()) == []


def test_its_socket_is_for_its_owner_only(used: Path) -> None:
    embedded_postgres.ensure_running(used)
    try:
        assert (used / ".s.PGSQL.5432").stat().st_mode & 0o077 == 0
    finally:
        embedded_postgres.release(used)


def test_two_simultaneous_first_starts_share_one_server(tmp_path: Path, hold: Hold) -> None:
    first, second = hold(tmp_path), hold(tmp_path)
    assert is_running(first)
    assert is_running(second)
    assert embedded_postgres.is_ready(tmp_path)
    assert len(list(tmp_path.glob("pg*/postmaster.pid"))) == 1


def test_only_the_last_user_stops_it(used: Path, hold: Hold) -> None:
    first, second = hold(used), hold(used)
    assert is_running(first)
    assert is_running(second)
    leave(first)
    assert embedded_postgres.is_ready(used)
    leave(second)
    assert not embedded_postgres.is_ready(used)


def test_a_killed_user_leaves_no_claim_behind(used: Path, hold: Hold) -> None:
    killed, polite = hold(used), hold(used)
    assert is_running(killed)
    assert is_running(polite)
    killed.kill()
    killed.wait(60)
    assert embedded_postgres.is_ready(used)
    leave(polite)
    assert not embedded_postgres.is_ready(used)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_a_last_user_who_dies_without_a_word_does_not_leave_it_running(used: Path, hold: Hold, number: int) -> None:
    users = [hold(used), hold(used)]
    assert all(is_running(user) for user in users)
    server = postmaster(used)
    for user in users:
        user.send_signal(number)
        user.wait(60)
    wait_until_gone(server)
    assert not (used / "pg" / "postmaster.pid").exists()


@pytest.mark.parametrize("milliseconds", [0, 60, 120, 180, 240])
def test_a_user_killed_in_the_middle_of_its_start_does_not_leave_it_running(
    used: Path, hold: Hold, milliseconds: int
) -> None:
    second = hold(used)
    time.sleep(milliseconds / 1000)
    second.kill()
    second.wait(60)
    assert until(lambda: not embedded_postgres.is_ready(used) and not (used / "pg" / "postmaster.pid").exists())


def test_the_next_user_may_come_while_it_is_being_stopped(used: Path, hold: Hold) -> None:
    for _ in range(5):
        user = hold(used)
        assert is_running(user)
        user.kill()
    assert is_running(hold(used))
    assert embedded_postgres.is_ready(used)


def test_a_killed_server_comes_back_with_its_data(used: Path, hold: Hold) -> None:
    assert is_running(hold(used))
    url = embedded_postgres.database_url(used)
    with psycopg.connect(url) as connection:
        connection.execute("create table kept as select 1 as one")
    pid = postmaster(used)
    os.kill(pid, signal.SIGKILL)

    assert is_running(hold(used))
    assert postmaster(used) != pid
    with psycopg.connect(url) as connection:
        assert connection.execute("select one from kept").fetchone() == (1,)


@pytest.mark.skipif(not Path("/proc/self/cwd").exists(), reason="needs /proc to tell whose pid it is")
def test_a_pid_that_a_reboot_gave_to_someone_else_is_not_taken_for_the_server(used: Path, hold: Hold) -> None:
    first = hold(used)
    assert is_running(first)
    pid_file = used / "pg" / "postmaster.pid"
    lines = pid_file.read_text().split("\n")
    pid = postmaster(used)
    os.kill(pid, signal.SIGKILL)
    wait_until_gone(pid)
    pid_file.write_text("\n".join([str(os.getpid()), *lines[1:]]))

    assert is_running(hold(used))


def test_a_crash_in_the_first_start_leaves_nothing_that_stops_the_next(tmp_path: Path, hold: Hold) -> None:
    (tmp_path / "pg.new" / "base").mkdir(parents=True)
    (tmp_path / "pg.new" / "PG_VERSION").write_text("18\n")
    assert is_running(hold(tmp_path))
    assert not (tmp_path / "pg.new").exists()


def test_a_forked_child_does_not_stop_its_parents_server(used: Path) -> None:
    embedded_postgres.ensure_running(used)
    try:
        child = get_context("fork").Process(target=embedded_postgres.release, args=[used])
        child.start()
        child.join(60)
        assert child.exitcode == 0
        assert embedded_postgres.is_ready(used)
    finally:
        embedded_postgres.release(used)


def test_data_of_another_version_is_refused_with_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "pg").mkdir()
    (tmp_path / "pg" / "PG_VERSION").write_text("16\n")
    with pytest.raises(EmbeddedPostgresError, match="was made by PostgreSQL 16"):
        embedded_postgres.ensure_running(tmp_path)


def test_a_socket_directory_open_to_others_is_refused(tmp_path: Path) -> None:
    data_dir = tmp_path / "comma,comma"
    directory = embedded_postgres.socket_dir(data_dir)
    directory.mkdir()
    directory.chmod(0o777)
    try:
        with pytest.raises(EmbeddedPostgresError, match="of this user alone"):
            embedded_postgres.ensure_running(data_dir)
    finally:
        directory.rmdir()


def test_a_data_directory_that_is_a_file_is_refused_with_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(EmbeddedPostgresError, match="cannot use the directory"):
        embedded_postgres.ensure_running(tmp_path / "file")
