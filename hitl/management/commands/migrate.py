"""Django's `migrate` as the owner of the tables; afterwards web and worker get the rights they need."""

from typing import Any

from django.conf import settings
from django.core.management.base import CommandError
from django.core.management.commands import migrate
from django.db import DEFAULT_DB_ALIAS, DatabaseError, OperationalError, connection

from approvals.services.killswitch import keep_setting
from postgresql.rights import as_owner, grant, owns

LOCK_NOT_AVAILABLE = "55P03"


class Command(migrate.Command):
    """Migrate and grant."""

    def handle(self, *args: Any, **options: Any) -> None:
        """Migrate, then grant unless the product connects as the owner itself; raises CommandError."""
        if options["database"] != DEFAULT_DB_ALIAS:
            super().handle(*args, **options)
            return
        looks_only = options["plan"] or options["check_unapplied"]
        with as_owner():
            if not looks_only and not owns():
                user = settings.DATABASE_OWNER["USER"]
                raise CommandError(f"{user} does not own the tables: name their owner in DATABASE_MIGRATE_URL.")
            self._migrate(*args, **options)
            if looks_only or options["app_label"]:
                return
            keep_setting()
            if settings.DATABASE_OWNER["USER"] != settings.DATABASE_ROLE:
                try:
                    grant(settings.DATABASE_ROLE)
                except DatabaseError as error:
                    raise CommandError(
                        f"The role {settings.DATABASE_ROLE} cannot be given its rights: {error}"
                    ) from error

    def _migrate(self, *args: Any, **options: Any) -> None:
        """Migrate, but wait for no table longer than the limit: everybody else would wait behind us."""
        seconds = settings.DATABASE_LIMITS["migration"].lock
        with connection.cursor() as cursor:
            cursor.execute("select set_config('lock_timeout', %s, false)", [f"{seconds}s"])
        try:
            super().handle(*args, **options)
        except OperationalError as error:
            if getattr(error.__cause__, "sqlstate", None) != LOCK_NOT_AVAILABLE:
                raise
            raise CommandError(
                f"A table was in use for over {seconds} s (DB_MIGRATE_LOCK_SECONDS), so this migration gave way. "
                "Those before it are done, it is not. Run it again, when nothing long is running."
            ) from error
        with connection.cursor() as cursor:
            cursor.execute("reset lock_timeout")
