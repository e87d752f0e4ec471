"""One tree of the product with a data directory: its commands, its database and, while it is asked, its processes."""

import http.client
import json
import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg

ROOT = Path(__file__).resolve().parents[2]
PATIENCE_SECONDS = 120.0
ENVIRONMENT = {
    "RATE_LIMIT_REQUESTS_PER_MINUTE": "0",
    "RATE_LIMIT_PAGES_PER_MINUTE": "0",
    "RATE_LIMIT_ANONYMOUS_PER_MINUTE": "0",
    "SECOND_PERSON_REQUIRED": "false",
    "LOG_LEVEL": "WARNING",
    "SECRET_KEY": "of-the-benchmarks-alone-and-of-nothing-that-anybody-keeps",
    "DJANGO_SETTINGS_MODULE": "hitl.settings",
}
# Holds the embedded server of a data directory until its standard input ends.
HOLD = """
import sys
from pathlib import Path
from hitl import embedded_postgres
data = Path(sys.argv[1])
print(embedded_postgres.ensure_running(data), flush=True)
sys.stdin.read()
embedded_postgres.release(data)
"""
PEOPLE = """
import json, sys
from importlib import import_module
from types import SimpleNamespace
from allauth.account.internal.flows.login import record_authentication
from django.conf import settings
from django.contrib.auth import BACKEND_SESSION_KEY, HASH_SESSION_KEY, SESSION_KEY
from django.contrib.auth.models import Group
from django.middleware.csrf import _get_new_csrf_string
from approvals.models import User
people = {}
for name, groups in json.loads(sys.argv[1]).items():
    user, _ = User.objects.get_or_create(username=name, defaults={"email": name + "@example.org"})
    user.groups.set(Group.objects.filter(name__in=groups))
    session = import_module(settings.SESSION_ENGINE).SessionStore()
    session[SESSION_KEY] = str(user.pk)
    session[BACKEND_SESSION_KEY] = settings.AUTHENTICATION_BACKENDS[0]
    session[HASH_SESSION_KEY] = user.get_session_auth_hash()
    record_authentication(SimpleNamespace(session=session), user, method="password")
    session.create()
    people[name] = {"session": session.session_key, "csrf": _get_new_csrf_string()}
print(json.dumps(people))
"""


@dataclass(frozen=True)
class Person:
    """Somebody who is signed in, as the headers of their requests."""

    session: str
    csrf: str

    @property
    def headers(self) -> dict[str, str]:
        return {"Cookie": f"sessionid={self.session}; csrftoken={self.csrf}", "X_CSRFToken": self.csrf}


@dataclass(frozen=True)
class Product:
    """A tree of the product and the directory of its data; `more` goes into the environment of its processes."""

    tree: Path
    data: Path
    more: tuple[tuple[str, str], ...] = ()

    @property
    def environment(self) -> dict[str, str]:
        """Return the environment of its processes: ours without what names a database, and the settings above."""
        kept = {name: value for name, value in os.environ.items() if name not in {"DATABASE_URL", "PYTHONPATH"}}
        return kept | ENVIRONMENT | {"HITL_DATA_DIR": str(self.data), "PYTHONPATH": str(self.tree)} | dict(self.more)

    def manage(self, *arguments: str) -> str:
        """Run a management command and return what it prints."""
        return self._python(str(self.tree / "manage.py"), *arguments)

    def people(self, groups: dict[str, list[str]]) -> dict[str, Person]:
        """Make these people where they are missing, each in these groups, and sign each of them in."""
        made = self._python("-c", f"import django; django.setup()\n{PEOPLE}", json.dumps(groups))
        return {name: Person(**fields) for name, fields in json.loads(made).items()}

    @contextmanager
    def database(self) -> Iterator[str]:
        """Run the embedded server and give its URL as the owner."""
        self.data.mkdir(parents=True, exist_ok=True)
        command = [sys.executable, "-c", HOLD, str(self.data)]
        with subprocess.Popen(
            command, cwd=self.tree, env=self.environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        ) as holder:
            assert holder.stdout
            assert holder.stdin
            try:
                url = holder.stdout.readline().strip()
                yield url or sys.exit(f"PostgreSQL did not start in {self.data}.")
            finally:
                holder.stdin.close()
                holder.wait(PATIENCE_SECONDS)

    @contextmanager
    def serve(self) -> Iterator[int]:
        """Run everything on a free port and give that."""
        port = free_port()
        process = subprocess.Popen(
            [sys.executable, str(self.tree / "manage.py"), "serve"],
            cwd=self.tree,
            env=self.environment | {"PORT": str(port)},
            stdout=subprocess.DEVNULL,
        )
        try:
            wait_until_it_answers(port, process)
            yield port
        finally:
            process.terminate()
            process.wait(PATIENCE_SECONDS)

    def copy(self, data: Path) -> "Product":
        """Return the same tree with a copy of its stopped data."""
        shutil.rmtree(data, ignore_errors=True)
        data.parent.mkdir(parents=True, exist_ok=True)
        subprocess.run(["cp", "-a", "--reflink=auto", str(self.data), str(data)], check=True)
        return Product(self.tree, data, self.more)

    def _python(self, *arguments: str) -> str:
        command = [sys.executable, *arguments]
        done = subprocess.run(
            command, cwd=self.tree, env=self.environment, stdout=subprocess.PIPE, text=True, check=True
        )
        return done.stdout.strip()


def rows(url: str, statement: str, parameters: Any = None) -> list[Any]:
    """Run one statement as the owner and return its rows."""
    with psycopg.connect(url, autocommit=True) as connection:
        cursor = connection.execute(statement.encode(), parameters)
        return cursor.fetchall() if cursor.description else []


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def wait_until_it_answers(port: int, process: "subprocess.Popen[bytes]") -> None:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while time.monotonic() < deadline and process.poll() is None:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
        try:
            connection.request("GET", "/readyz")
            if connection.getresponse().status == 200:
                return
        except OSError:
            pass  # not listening yet
        finally:
            connection.close()
        time.sleep(0.1)
    sys.exit("The product did not start; run `manage.py serve` by hand to see why.")
