"""A PostgreSQL that is not ours: over TCP, with passwords, and with roles of which none is superuser."""

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import quote

import psycopg

from hitl import embedded_postgres
from tests.hitl.test_serve import wait_until
from tests.ports import free_port

PASSWORD = 'it\'s a "pass@word" /:? \\ with everything'
DEBIAN_15 = Path("/usr/lib/postgresql/15/bin/postgres")


@contextmanager
def outside_server(directory: Path, postgres: Path | None = None) -> Iterator[str]:
    """Start a server with the roles hitl_owner, hitl_app and hitl_backup; yield its address without name and role."""
    programs = (postgres or Path(embedded_postgres.binary("postgres"))).parent
    port, secret = free_port(), directory / "secret"
    directory.chmod(0o777)
    secret.write_text(PASSWORD)
    as_user = ["unshare", "--user", "--map-user=65534", "--map-group=65534", "--"] if os.getuid() == 0 else []
    arguments = ["--pgdata=pg", "--auth=scram-sha-256", "--username=admin", f"--pwfile={secret}"]
    made = [*as_user, str(programs / "initdb"), *arguments, "--encoding=UTF8", "--locale=C.UTF-8", "--no-sync"]
    subprocess.run(made, cwd=directory, check=True, capture_output=True)
    options = ("listen_addresses=127.0.0.1", f"port={port}", "unix_socket_directories=", "fsync=off")
    with (directory / "log").open("w") as log:
        process = subprocess.Popen(
            [*as_user, programs / "postgres", "-D", "pg", *(word for option in options for word in ("-c", option))],
            cwd=directory,
            stderr=log,
        )
    try:
        assert wait_until(lambda: _answers(port)), (directory / "log").read_text()
        with psycopg.connect(url(f"127.0.0.1:{port}", "admin", "postgres"), autocommit=True) as admin:
            for role in ("hitl_owner createdb", "hitl_app noinherit", "hitl_backup"):
                admin.execute(f"create role {role} login password '{PASSWORD.replace(chr(39), chr(39) * 2)}'")
            admin.execute("grant pg_read_all_data to hitl_backup")
        yield f"127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait(60)
        shutil.rmtree(directory / "pg")


def url(address: str, role: str, database: str) -> str:
    return f"postgresql://{role}:{quote(PASSWORD, safe='')}@{address}/{database}"


def make_database(address: str, name: str) -> None:
    with psycopg.connect(url(address, "admin", "postgres"), autocommit=True) as admin:
        admin.execute(f"create database {name} owner hitl_owner")


def _answers(port: int) -> bool:
    try:
        psycopg.connect(url(f"127.0.0.1:{port}", "admin", "postgres"), connect_timeout=3).close()
    except psycopg.OperationalError:
        return False
    return True
