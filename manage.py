#!/usr/bin/env python
"""Django's command line; starts the embedded PostgreSQL first for the commands that need a database."""

import os
import sys
import threading

# These must work on a machine, or in an image build, where no database can run.
NO_DATABASE = {
    "check",
    "collectstatic",
    "compilemessages",
    "diffsettings",
    "export_openapi_schema",
    "findstatic",
    "help",
    "makemessages",
    "startapp",
    "version",
    "write_settings_reference",
}


def main(arguments: list[str]) -> None:
    """Run one management command."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "hitl.settings")
    # A deep CEL expression overflows a small C stack and kills the process; this is virtual memory only.
    threading.stack_size(16 << 20)
    from django.core.exceptions import ImproperlyConfigured
    from django.core.management import execute_from_command_line
    from django.db import DatabaseError

    try:
        if _needs_database(arguments):
            _start_embedded_postgres()
        execute_from_command_line(arguments)
    except ImproperlyConfigured as error:
        sys.exit(str(error))
    except DatabaseError as error:
        if "--traceback" in arguments or not (reason := _no_fault_of_ours(error)):
            raise
        sys.exit(reason)


def _no_fault_of_ours(error: BaseException) -> str:
    """Return what whoever typed the command can do about an error of the database; '' for a fault of the command."""
    if getattr(error.__cause__, "sqlstate", None) == "42P01":  # undefined table
        return "This database has not been migrated: run manage.py migrate, then this again."
    from django.db import OperationalError

    away = isinstance(error, OperationalError) and getattr(error.__cause__, "sqlstate", None) is None
    return f"The database did not answer: {error}".strip() if away else ""


def _needs_database(arguments: list[str]) -> bool:
    options = {"-h", "--help", "--version"}
    if arguments[1:2] == ["check"] and "--deploy" in arguments:
        return True  # it asks what the role of web and worker may do
    return len(arguments) > 1 and arguments[1] not in NO_DATABASE | options and not options & set(arguments[2:])


def _start_embedded_postgres() -> None:
    from django.conf import settings

    from hitl import embedded_postgres

    if not settings.EMBEDDED:
        return
    try:
        embedded_postgres.ensure_running(settings.HITL_DATA_DIR)
    except embedded_postgres.EmbeddedPostgresError as error:
        sys.exit(str(error))


if __name__ == "__main__":
    main(sys.argv)
