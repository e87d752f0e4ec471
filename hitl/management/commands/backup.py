"""`manage.py backup`: everything the database holds as one checked file, beside the running product."""

import signal
import subprocess
import sys
from datetime import datetime
from pathlib import Path
from typing import Any

import psycopg
from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import DatabaseError
from django.utils import timezone

from approvals.live import connection_parameters
from approvals.services.dispatch import heartbeat
from hitl import backups
from hitl.backup_checks import LEFT_OUT, Connection, numbers
from postgresql.rights import as_owner

LOCK_WAIT_MS = 60_000  # behind a migration; longer, and the backup gives way instead of standing before everybody else
OUTSIDE = (
    "Keep apart from it, it is not inside: SECRET_KEY (second factors and sessions need it; embedded: the file "
    "secret-key in HITL_DATA_DIR), the other *_FILE secrets, and your configuration."
)


class Command(BaseCommand):
    """Dump, count and check in one snapshot; name the file last."""

    help = "Writes a checked backup of the database with its manifest into a directory, beside the running product."

    def add_arguments(self, parser: CommandParser) -> None:
        """Add the directory, --keep and --jobs."""
        parser.add_argument("directory", type=Path, metavar="DIR")
        parser.add_argument("--keep", type=int, metavar="DAYS", help="then delete older ones, but never the newest")
        parser.add_argument(
            "--jobs", type=int, default=1, metavar="N", help="dump N tables at once; the dump is a directory then"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        """Write the backup and say where it is; raise CommandError, and leave nothing half behind."""
        signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # also as process 1, and so that the finally below runs
        directory, now = options["directory"].absolute(), timezone.now()
        if options["jobs"] < 1 or (options["keep"] is not None and options["keep"] < 1):
            raise CommandError("--keep and --jobs take a number from 1.")
        backup = backups.Backup.named(directory, now)
        try:
            backup.claim()
        except OSError as error:
            raise CommandError(f"No backup was made: {error}") from error
        try:
            manifest = _dump(backup, options["jobs"], now)
            backup.finish(manifest)
        except (OSError, psycopg.Error) as error:
            raise CommandError(f"No backup was made: {str(error).strip()}") from error
        finally:
            if not backup.dump.exists():
                backup.remove()
        rows = manifest["rows"]
        self.stdout.write(
            f"{backup.dump}: {rows['audit_entry']} entries, {rows['approvals_decision']} decisions as of "
            f"{manifest['made_at']}, release {manifest['version']}, PostgreSQL {manifest['server']}."
        )
        self.stdout.write(OUTSIDE)
        if options["keep"]:
            gone = backups.delete_old(directory, options["keep"], manifest["database"], now)
            self.stdout.write(f"Deleted after {options['keep']} days: {', '.join(gone) or 'none'}.")
        try:
            heartbeat("backup", now)
        except DatabaseError as error:
            self.stderr.write(f"The backup is whole, but its time is not in the database for the metric: {error}")


def _dump(backup: backups.Backup, jobs: int, now: datetime) -> dict[str, Any]:
    """Write the partial dump and return its manifest, both of one moment."""
    with as_owner():
        parameters = connection_parameters()
    with psycopg.connect(**parameters) as connection:
        connection.isolation_level, connection.read_only = psycopg.IsolationLevel.REPEATABLE_READ, True
        server = connection.info.server_version
        pg_dump = backups.program("pg_dump", server // 10_000)
        [(snapshot,)] = connection.execute("select pg_export_snapshot()").fetchall()
        where, environment = backups.connecting(parameters)
        command = [
            pg_dump,
            where,
            f"--snapshot={snapshot}",
            f"--file={backup.partial}",
            "--schema=public",
            "--compress=1",  # 6 makes it a third smaller for four times the processor time, beside a product that works
            f"--lock-wait-timeout={LOCK_WAIT_MS}",
            *(f"--exclude-table-data=public.{table}" for table in LEFT_OUT),
            *(["--format=directory", f"--jobs={jobs}"] if jobs > 1 else ["--format=custom"]),
        ]
        counted = _counted_beside(command, environment, connection)
        name = connection.info.dbname
    return {
        "format": backups.FORMAT,
        "made_by": "manage.py backup",
        "made_at": now.isoformat(timespec="seconds"),
        "version": settings.VERSION,
        "database": name,
        "server": f"{server // 10_000}.{server % 10_000}",
        "pg_dump": _version(pg_dump),
        **counted,
    }


def _counted_beside(command: list[str], environment: dict[str, str], connection: Connection) -> dict[str, Any]:
    """Run pg_dump, count meanwhile in the same snapshot, and return the numbers; raise CommandError."""
    with subprocess.Popen(command, env=environment, stderr=subprocess.PIPE, text=True, umask=0o077) as dump:
        try:
            counted = numbers(connection)
            _, said = dump.communicate()
        finally:
            dump.kill()  # of no effect once it has ended
    if dump.returncode:
        raise CommandError(f"pg_dump failed, and no backup was made: {said.strip()}")
    return counted


def _version(path: str) -> str:
    return subprocess.run([path, "--version"], capture_output=True, text=True, check=True).stdout.split()[-1]
