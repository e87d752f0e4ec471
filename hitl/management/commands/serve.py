"""Everything in the foreground with one command: migrations, then web, worker and the database if it is ours."""

import errno
import os
import signal
import socket
import sys
from typing import Any, NoReturn

from django.conf import settings
from django.core.management import call_command
from django.core.management.base import BaseCommand, CommandParser
from django.db import connections

from hitl import embedded_postgres


class Command(BaseCommand):
    """Serve on this machine until Ctrl-C."""

    help = (
        "Migrates, then runs web and worker (and the embedded PostgreSQL when DATABASE_URL is unset) in the foreground."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        """Add --demo."""
        parser.add_argument("--demo", action="store_true", help="load the demo data first and print its sign-ins")

    def handle(self, *args: Any, **options: Any) -> None:
        """Prepare everything and become the supervisor; raises SystemExit."""
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, lambda *_: sys.exit(0))
        _refuse_a_used_port()
        call_command("migrate", interactive=False, verbosity=0)
        if options["demo"]:
            call_command("load_demo")
        _close_pools()
        _become_the_supervisor(demo=options["demo"])


def _refuse_a_used_port() -> None:
    """Say so before minutes of preparation; gunicorn would retry and fail in its own words."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((settings.HITL_BIND, settings.PORT))
        except OSError as error:
            if error.errno == errno.EADDRINUSE:
                sys.exit(f"Port {settings.PORT} is already in use: stop what runs there, or set PORT to another one.")
            sys.exit(f"Port {settings.PORT} cannot be used: {error.strerror}.")


def _close_pools() -> None:
    """Leave no connection and no pool thread behind in the process that only watches."""
    for connection in connections.all(initialized_only=True):
        connection.close()
        connection.close_pool()  # type: ignore[attr-defined]


def _become_the_supervisor(*, demo: bool) -> NoReturn:
    """Go on as `hitl.supervisor`, under the same process id and with the lease of the database."""
    accounts = str(settings.HITL_DATA_DIR / "demo-accounts") if demo else ""
    arguments = [settings.LOG_FORMAT, str(settings.BASE_DIR), str(settings.PORT), accounts]
    if settings.EMBEDDED:
        embedded_postgres.keep_lease_over_exec(settings.HITL_DATA_DIR)
        socket_file = embedded_postgres.socket_dir(settings.HITL_DATA_DIR) / ".s.PGSQL.5432"
        arguments += [str(socket_file), str(settings.HITL_DATA_DIR)]
    path = os.pathsep.join(filter(None, [str(settings.BASE_DIR), os.environ.get("PYTHONPATH")]))
    sys.stdout.flush()
    command = [sys.executable, "-P", "-m", "hitl.supervisor", *arguments]
    os.execve(sys.executable, command, {**os.environ, "PYTHONPATH": path})  # noqa: S606  ourselves, by a list
