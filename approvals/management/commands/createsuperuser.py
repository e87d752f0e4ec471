"""manage.py createsuperuser: Django's own, with an entry of the audit log; the way to a new install's first people."""

from typing import Any

from django.contrib.auth.management.commands import createsuperuser
from django.db import transaction
from django.db.models import Max
from django.utils import timezone

from approvals.accounts.services.account_changes import record_user_change
from approvals.actors import command
from approvals.models import User
from approvals.queries.people import why_not_a_name


class Command(createsuperuser.Command):
    def _validate_username(self, username: str, verbose_field_name: str, database: str) -> str | None:
        """Return why Django or we refuse a name: one that looks like somebody else's."""
        refused: str | None = super()._validate_username(username, verbose_field_name, database)  # type: ignore[misc]
        return refused or why_not_a_name(username, username)

    def handle(self, *args: Any, **options: Any) -> None:
        """Make the account as Django does, with its entry in the same transaction."""
        with transaction.atomic():
            last = User.objects.aggregate(last=Max("pk"))["last"] or 0
            super().handle(*args, **options)
            for user in User.objects.filter(pk__gt=last, is_superuser=True):
                record_user_change(user, None, actor=command("createsuperuser"), now=timezone.now())
