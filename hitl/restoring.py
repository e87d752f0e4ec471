"""Put a dump into a database with PostgreSQL's own programs: whole or not at all; nothing is checked here."""

import re
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

import psycopg
from django.core.management.base import CommandError

from hitl import backups

LOCK_SECONDS = 10  # for those who still use what is replaced
OURS_ALONE = ["--no-owner", "--no-privileges"]  # whoever restores is the owner; `migrate` grants
NOT_OURS = re.compile(r"^\d+; .* (?:SCHEMA - public|(?:COMMENT|ACL) - SCHEMA public) ", re.M)
"""Lines of a dump's contents about the schema itself, which every database has."""
OF_17 = b"SET transaction_timeout = 0;\n"
"""What pg_restore from 17 on writes first and servers before 17 do not know."""
EMPTY = "drop schema public cascade; create schema public authorization pg_database_owner;"
HAS_ROLE = "select exists (select from pg_roles where rolname = %s)"
IS_EMPTY = "select not exists (select from pg_tables where schemaname = 'public')"


def is_empty(parameters: dict[str, Any]) -> bool:
    """Return whether a database has no tables of anybody's in the schema `public`."""
    with psycopg.connect(**parameters) as connection:
        return connection.execute(IS_EMPTY).fetchall() == [(True,)]


def has_role(parameters: dict[str, Any], role: str) -> bool:
    """Return whether the server knows the role of web and worker."""
    with psycopg.connect(**parameters) as connection:
        return connection.execute(HAS_ROLE, [role]).fetchall() == [(True,)]


def restore(dump: Path, parameters: dict[str, Any], *, least: int, replace: bool) -> None:
    """Restore in one transaction, which empties the database first where it is to be replaced. Raise CommandError;
    the database is as it was then."""
    where, environment = backups.connecting(parameters)
    server = _server(parameters)
    restoring, psql = backups.program("pg_restore", max(least, server)), backups.program("psql", max(least, server))
    run = [psql, where, "--no-psqlrc", "--quiet", "--set=ON_ERROR_STOP=1", "--output=/dev/null", "--file=-"]
    with (
        _contents(restoring, dump) as contents,
        tempfile.TemporaryFile() as said,
        subprocess.Popen(
            [restoring, "--file=-", *OURS_ALONE, f"--use-list={contents}", str(dump)],
            stdout=subprocess.PIPE,
            stderr=said,
        ) as script,
        subprocess.Popen(run, stdin=subprocess.PIPE, stderr=said, env=environment) as target,
    ):
        assert script.stdout
        assert target.stdin
        try:
            begin = f"begin; set local lock_timeout = '{LOCK_SECONDS}s'; {EMPTY if replace else ''}\n"
            target.stdin.write(begin.encode())
            _relay(script.stdout, target.stdin, old_server=server < 17)
            if script.wait() == 0:  # else the script ended too early, and nothing may be committed
                target.stdin.write(b"commit;\n")
            target.stdin.close()
        except BrokenPipeError:
            pass  # psql has stopped at an error and says it
        script.stdout.close()
        if target.wait() or script.wait():
            raise CommandError(f"Nothing was changed: {_said(said)}")


def restore_in_parallel(dump: Path, parameters: dict[str, Any], *, least: int, jobs: int) -> None:
    """Restore into an empty database over several connections. Raise CommandError; it is empty again then."""
    where, environment = backups.connecting(parameters)
    restoring = backups.program("pg_restore", max(least, _server(parameters)))
    with _contents(restoring, dump) as contents:
        command = [restoring, where, f"--jobs={jobs}", "--exit-on-error", *OURS_ALONE]
        done = subprocess.run(
            [*command, f"--use-list={contents}", str(dump)],
            env=environment,
            capture_output=True,
            text=True,
            check=False,
        )
    if done.returncode:
        with psycopg.connect(**parameters) as connection:
            connection.execute(EMPTY)
        raise CommandError(f"The database is empty again: {done.stderr.strip()[-1000:]} Without --jobs?")


def _server(parameters: dict[str, Any]) -> int:
    with psycopg.connect(**parameters) as connection:
        return connection.info.server_version // 10_000


@contextmanager
def _contents(restoring: str, dump: Path) -> Iterator[str]:
    """Yield a file that lists what of the dump is restored."""
    done = subprocess.run([restoring, "--list", str(dump)], capture_output=True, text=True, check=False)
    if done.returncode:
        raise CommandError(f"Nothing was changed: {done.stderr.strip()}")
    with tempfile.NamedTemporaryFile("w", suffix=".list") as file:
        file.write(NOT_OURS.sub(";", done.stdout))
        file.flush()
        yield file.name


def _relay(script: IO[bytes], target: IO[bytes], *, old_server: bool) -> None:
    """Pass the script on; up to its first command of any size without what an old server does not know."""
    for line in script:
        if not (old_server and line == OF_17):
            target.write(line)
        if line.startswith((b"CREATE ", b"COPY ")):
            break
    while chunk := script.read(1 << 20):
        target.write(chunk)


def _said(file: IO[bytes]) -> str:
    file.seek(0)
    return file.read().decode(errors="replace").strip()[-1000:]
