"""`manage.py restore`: a backup into an empty database, a replaced one or, as a drill, a scratch one; then checked."""

import os
import signal
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psycopg
from django.conf import settings
from django.core.management import call_command
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db.migrations.loader import MigrationLoader
from django.utils import timezone
from psycopg import sql

from approvals.actors import command
from approvals.live import connection_parameters
from approvals.services.restoring import note_restore
from hitl import restoring
from hitl.backup_checks import checked, secrets, webhook_secrets
from hitl.backups import Backup
from notifications.secrets import SECOND_FACTORS, WEBHOOKS, is_readable
from postgresql.rights import as_owner


class Command(BaseCommand):
    """Compare checksums, restore in one go, check, and give web and worker their rights last."""

    help = "Restores a backup into the database, which must be empty, checks it, and gives web and worker their rights."

    def add_arguments(self, parser: CommandParser) -> None:
        """Add the file, --replace, --drill and --jobs."""
        parser.add_argument("file", type=Path, metavar="FILE", help="the .dump; its .json and .sha256 lie beside it")
        parser.add_argument("--replace", metavar="NAME", help="empty the database of this name first, in the same go")
        parser.add_argument("--drill", action="store_true", help="into a scratch database that is dropped afterwards")
        parser.add_argument("--jobs", type=int, default=1, metavar="N", help="N tables at once, into an empty database")

    def handle(self, *args: Any, **options: Any) -> None:
        """Restore and check; raise CommandError where anything is not as it should be."""
        signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
        backup = Backup(options["file"].absolute())
        manifest = backup.read()
        self.stdout.write(f"The files are those that were written at {manifest['made_at']} (SHA-256).")
        _refuse_a_newer_release(manifest)
        with as_owner():
            parameters = connection_parameters()
        try:
            if options["drill"]:
                with _scratch(parameters) as scratch:
                    self._restore(backup, manifest, scratch, options)
                self.stdout.write("The drill is over and its database dropped; nothing else was touched.")
                return
            _refuse_what_is_in_use(parameters, options)
            self._restore(backup, manifest, parameters, options)
        except psycopg.Error as error:
            raise CommandError(f"The database refused: {str(error).strip()}") from error
        call_command("migrate", interactive=False, verbosity=0)
        _note(backup, manifest)
        self.stdout.write("Migrations of this release are applied; web and worker have their rights and may start.")
        self.stdout.write(
            "Everybody signs in again. Tokens, accounts, policies and rights are as of "
            f"{manifest['made_at']}: take away again what was taken away since.\n"
            "Automatic approval is stopped: what people refused since waits again. When they have said so once more, "
            "let it run again on the Policies page.\n"
            f"The feed ends at position {manifest['feed_position']}: a deployer that has read further starts again "
            f"with after={manifest['feed_position']}, or it misses as many decisions as were lost."
        )

    def _restore(
        self, backup: Backup, manifest: dict[str, Any], parameters: dict[str, Any], options: dict[str, Any]
    ) -> None:
        """Restore and check all that can be checked; raise CommandError if anything does not hold."""
        least, started = int(str(manifest["pg_dump"]).split(".")[0]), time.monotonic()
        if options["jobs"] > 1:
            restoring.restore_in_parallel(backup.dump, parameters, least=least, jobs=options["jobs"])
        else:
            restoring.restore(backup.dump, parameters, least=least, replace=bool(options["replace"]))
        restored = time.monotonic()
        failed = 0
        with psycopg.connect(**parameters, autocommit=True) as connection:
            connection.execute("analyze")  # a dump has no statistics
            for holds, sentence in [*checked(connection, manifest), *_readable(connection)]:
                failed += not holds
                self.stdout.write(f"{'ok' if holds else 'FAILED'}: {sentence}")
        self.stdout.write(f"Restored in {restored - started:.0f} s, checked in {time.monotonic() - restored:.0f} s.")
        if failed:
            raise CommandError(
                f"{failed} checks failed. Web and worker were given no rights: look at what is named above, try an "
                "older backup, or run `manage.py migrate` to use this one all the same."
            )


def _note(backup: Backup, manifest: dict[str, Any]) -> None:
    name, made_at, places = backup.dump.stem, manifest["made_at"], manifest["rows"]["audit_leaf"]
    note_restore(name, made_at, places, manifest["log_root"], actor=command("restore"), now=timezone.now())


def _refuse_a_newer_release(manifest: dict[str, Any]) -> None:
    known = {f"{app}.{name}" for app, name in MigrationLoader(None).disk_migrations}
    if unknown := sorted(set(manifest["migrations"]) - known):
        raise CommandError(
            f"Release {manifest['version']} made this backup, with the migration {unknown[-1]} that this release does "
            "not know. Restore it with that release. Nothing was touched."
        )


def _refuse_what_is_in_use(parameters: dict[str, Any], options: dict[str, Any]) -> None:
    name, replace = parameters["dbname"], options["replace"]
    if replace and (replace != name or options["jobs"] > 1):
        raise CommandError(f"--replace takes the name of the database, {name}, and no --jobs. Nothing was touched.")
    if not restoring.has_role(parameters, settings.DATABASE_ROLE):
        raise CommandError(
            f"The server has no role {settings.DATABASE_ROLE} for web and worker; make it first, as administrator: "
            f"create role {settings.DATABASE_ROLE} login noinherit password '...'. Nothing was touched."
        )
    if not replace and not restoring.is_empty(parameters):
        raise CommandError(
            f"The database {name} is not empty, and nothing was touched. Restore into a new one (`create database`, "
            "then DATABASE_URL and DATABASE_MIGRATE_URL with its name), try the backup with --drill, or, with web and "
            f"worker stopped, put it in the place of what is there with --replace {name}."
        )


def _readable(connection: "psycopg.Connection[Any]") -> Iterator[tuple[bool, str]]:
    """Yield whether this process's SECRET_KEY reads the secrets of each kind, and the sentence that says so."""
    for kind, purpose, encrypted in (
        ("second factors", SECOND_FACTORS, secrets(connection)),
        ("webhooks", WEBHOOKS, webhook_secrets(connection)),
    ):
        unread = sum(not is_readable(secret, purpose) for secret in encrypted)
        if unread:
            yield False, f"SECRET_KEY does not read {unread} of {len(encrypted)} secrets of {kind}: put back its own."
        else:
            yield True, f"SECRET_KEY reads all {len(encrypted)} secrets of {kind}."


@contextmanager
def _scratch(parameters: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Make a database on the same server and drop it in the end, whatever happens."""
    name = sql.Identifier(f"hitl_drill_{timezone.now():%Y%m%d%H%M%S}_{os.getpid()}")
    with psycopg.connect(**parameters, autocommit=True) as server:
        try:
            server.execute(sql.SQL("create database {}").format(name))
        except psycopg.errors.InsufficientPrivilege as error:
            raise CommandError(
                "A drill makes a database and drops it. As administrator: "
                f"alter role {parameters.get('user')} createdb."
            ) from error
        try:
            yield parameters | {"dbname": name.as_string().strip('"')}
        finally:
            server.execute(sql.SQL("drop database {} with (force)").format(name))
