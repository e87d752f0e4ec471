"""A PostgreSQL that listens on TCP and asks for passwords, as one elsewhere does, with the roles of compose."""

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from hitl import embedded_postgres
from tests.hitl.test_serve import ROOT
from tests.ports import free_port

OWNER, APP = "0wner-of-the-tests", "app-'of\\the-tests"


@dataclass(frozen=True)
class Server:
    """A running server: its port, and the directory of its socket, where its superuser needs no password."""

    port: int
    directory: Path

    def url(self, user: str, password: str) -> str:
        return f"postgresql://{user}:{password}@127.0.0.1:{self.port}/hitl"


@contextmanager
def server(directory: Path, *options: str) -> Iterator[Server]:
    """Run a new server and stop it at the end."""
    running = Server(free_port(), directory)
    directory.mkdir(parents=True, exist_ok=True)
    (directory / "password").write_text("superuser-of-the-tests")
    as_compose = [
        "--encoding=UTF8",
        "--locale-provider=builtin",
        "--locale=C.UTF-8",
        "--auth-host=scram-sha-256",
    ]
    superuser = ["--username=postgres", "--pwfile=password", "--auth-local=trust"]
    run(directory, "initdb", "--pgdata=pg", "--no-sync", *superuser, *as_compose)
    settings = [f"port={running.port}", "listen_addresses=127.0.0.1", f"unix_socket_directories={directory}", *options]
    given = " ".join(f"-c {setting}" for setting in settings)
    run(directory, "pg_ctl", "start", "--pgdata=pg", "--log=log", "--wait", "--silent", f"--options={given}")
    try:
        yield running
    finally:
        run(directory, "pg_ctl", "stop", "--pgdata=pg", "--mode=immediate", "--silent")


def make_roles(running: Server, owner: str = OWNER, app: str = APP) -> "subprocess.CompletedProcess[str]":
    """Run the script with which the postgres container makes owner, role and database."""
    for name, password in (("owner_password", owner), ("app_password", app)):
        (running.directory / name).write_text(password)
    path = f"{Path(embedded_postgres.binary('psql')).parent}:{os.environ['PATH']}"
    environment = {"PGHOST": str(running.directory), "PGPORT": str(running.port), "PATH": path}
    return subprocess.run(
        ["bash", ROOT / "deploy/compose/postgres/roles.sh"],
        env={**environment, "HITL_SECRETS": str(running.directory)},
        capture_output=True,
        text=True,
        check=False,
    )


def run(directory: Path, name: str, *arguments: str) -> None:
    """Run one of PostgreSQL's programs there; it refuses root, which is nobody in a namespace of its own."""
    prefix = ["unshare", "--user", "--map-user=65534", "--map-group=65534", "--"] if os.getuid() == 0 else []
    command = [*prefix, embedded_postgres.binary(name), *arguments]
    subprocess.run(command, cwd=directory, check=True, stdout=subprocess.DEVNULL)
