"""The product as real processes with data of its own, the ways to hurt it, and a look into its database."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psycopg

from hitl import embedded_postgres
from tests.hitl.test_serve import ROOT, Served, environment, wait_until
from tests.ports import free_port
from tests.races.ledger import faults

WEB_PROCESSES = 2
DEPLOYERS = ("argo", "flux")

# Printed as JSON: the secrets of people who may decide, of a machine of each kind, and of two deployers.
PEOPLE = """
import json
from django.contrib.auth.models import Group
from django.utils import timezone
from approvals.actors import command
from approvals.models import TokenKind, User
from approvals.accounts.services.tokens import issue_token
made, now = [], timezone.now()
for number in range(8):
    user = User.objects.create_user(f"reviewer-{number}", f"reviewer-{number}@example.org")
    user.groups.add(Group.objects.get(name="reviewer"))
    made.append(issue_token(user.username, TokenKind.PERSONAL, actor=command("soak"), now=now, user=user)[1])
machines = {
    kind: issue_token(f"a {kind}", TokenKind(kind), actor=command("soak"), now=now)[1]
    for kind in ("producer", "deployer", "auditor", "monitor")
}
deployers = [issue_token(name, TokenKind.DEPLOYER, actor=command("soak"), now=now)[1] for name in DEPLOYERS]
print(json.dumps({"people": made, "machines": machines, "deployers": deployers}))
"""


@dataclass
class Product(Served):
    """A running `serve` with two web workers, and the tokens of those who use it."""

    people: tuple[str, ...] = ()
    machines: dict[str, str] = field(default_factory=dict)
    deployers: tuple[str, ...] = ()

    @property
    def producer(self) -> str:
        return self.machines["producer"]

    def kill_a_web_worker(self) -> None:
        """kill -9 one of gunicorn's children, whatever it is doing."""
        os.kill(max(self._pids("gunicorn")), signal.SIGKILL)  # the master is the oldest

    def kill_web(self) -> None:
        """kill -9 gunicorn and its workers at once."""
        for pid in self._pids("gunicorn"):
            _kill(pid)

    def kill_worker(self) -> None:
        """kill -9 the worker with its sequencer and timers."""
        for pid in self._pids("manage.py worker"):
            _kill(pid)

    def kill_database(self) -> None:
        """kill -9 the postmaster; its children end by themselves and nothing is flushed."""
        _kill(int(self._pid_file().read_text().split()[0]))

    def stop_database(self) -> None:
        """Shut the server down as an administrator does, breaking off open transactions; `serve` starts it again."""
        command = [embedded_postgres.binary("pg_ctl"), "stop", "--pgdata=pg", "--mode=fast", "--no-wait", "--silent"]
        prefix = ["unshare", "--user", "--map-user=65534", "--map-group=65534", "--"] if os.getuid() == 0 else []
        subprocess.run([*prefix, *command], cwd=self.data_dir, check=True)
        seconds_until(lambda: not self.database_is_back())

    def take_the_database_away(self) -> None:
        """Stop the server in a way that no start of `serve` succeeds until it is given back."""
        self._control_file().rename(self.data_dir / "pg_control")
        self.kill_database()
        seconds_until(lambda: not self.database_is_back())

    def give_the_database_back(self) -> None:
        """Let the next start succeed, as after a failed disk or network is there again."""
        (self.data_dir / "pg_control").rename(self._control_file())

    def connect(self) -> "psycopg.Connection[tuple[Any, ...]]":
        return psycopg.connect(embedded_postgres.database_url(self.data_dir), autocommit=True)

    def database_is_back(self) -> bool:
        return self._pid_file().exists() and embedded_postgres.is_ready(self.data_dir)

    def assert_settled(self) -> None:
        """Wait until the sequencer has caught up, then assert that the books are whole."""

        def caught_up() -> bool:
            with self.connect() as connection:
                row = connection.execute("select count(*) from audit_pending").fetchone()
                return row is not None and row[0] == 0

        assert wait_until(caught_up), "the sequencer does not catch up"
        with self.connect() as connection:
            found = faults(connection.cursor())
        assert found == {}, found

    def _pids(self, words: str) -> list[int]:
        return sorted(pid for pid, command in self.processes().items() if words in command)

    def _control_file(self) -> Path:
        return self.data_dir / "pg" / "global" / "pg_control"

    def _pid_file(self) -> Path:
        return self.data_dir / "pg" / "postmaster.pid"


@contextmanager
def running(directory: Path, **more: str) -> Iterator[Product]:
    """Serve with the limits off, make people and machines, and stop everything at the end."""
    port, data = free_port(), directory / "data"
    with (directory / "output").open("w") as output:
        process = subprocess.Popen(
            [sys.executable, ROOT / "manage.py", "serve"],
            env=settings_of(data, port) | more,
            stdout=output,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )
    product = Product(process, port, data)
    try:
        assert wait_until(lambda: product.answers() or process.poll() is not None)
        assert process.poll() is None, (directory / "output").read_text()
        secrets = shell(data, port, f"DEPLOYERS = {DEPLOYERS}\n{PEOPLE}")
        product.people, product.machines = tuple(secrets["people"]), secrets["machines"]
        product.deployers = tuple(secrets["deployers"])
        yield product
    finally:
        process.terminate()
        process.wait(60)


def seconds_until(true: Callable[[], bool], most: float = 60.0) -> float:
    """Return how long it took until it was true, or fail."""
    started = time.monotonic()
    while time.monotonic() - started < most:
        if true():
            return time.monotonic() - started
        time.sleep(0.05)
    raise AssertionError(f"not within {most} s")


def shell(data: Path, port: int, program: str) -> dict[str, Any]:
    """Run a program with the product's settings and return the JSON that it printed."""
    done = subprocess.run(
        [sys.executable, ROOT / "manage.py", "shell", "--no-imports", "-c", program],
        env=settings_of(data, port),
        capture_output=True,
        text=True,
        check=True,
    )
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def settings_of(data: Path, port: int) -> dict[str, str]:
    """Return the environment of the product: two web processes, and no limits."""
    return environment(data, port) | {
        "WEB_WORKERS": str(WEB_PROCESSES),
        "RATE_LIMIT_REQUESTS_PER_MINUTE": "0",
        "RATE_LIMIT_PAGES_PER_MINUTE": "0",
        "RATE_LIMIT_ANONYMOUS_PER_MINUTE": "0",
        "LOG_LEVEL": "WARNING",
    }


def _kill(pid: int) -> None:
    try:
        os.kill(pid, signal.SIGKILL)
    except ProcessLookupError:
        pass  # ended meanwhile: what was wanted
