"""manage.py create_token: issue an API token and print it once, alone on standard output."""

from datetime import UTC, datetime
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils import timezone

from approvals.accounts.services.tokens import issue_token
from approvals.actors import command
from approvals.errors import Refusal
from approvals.models import TokenKind, User


class Command(BaseCommand):
    help = "Issue an API token; it is printed once and cannot be shown again."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "name", help="Of the producer, deployer, auditor or monitor; any label for a personal token"
        )
        parser.add_argument("--kind", required=True, choices=TokenKind.values)
        parser.add_argument("--user", help="User name; for personal tokens")
        parser.add_argument(
            "--scope", action="append", default=[], help="May be repeated; the kind's scopes by default"
        )
        parser.add_argument("--expires", help="Date or time (UTC unless it has an offset) from which it is refused")

    def handle(self, *args: Any, **options: Any) -> None:
        user = None
        if options["user"]:
            user = User.objects.filter(username__iexact=options["user"]).first()
            if user is None:
                raise CommandError(f"There is no user {options['user']}.")
        try:
            _, secret = issue_token(
                options["name"],
                TokenKind(options["kind"]),
                actor=command("create_token"),
                now=timezone.now(),
                user=user,
                scopes=options["scope"],
                expires_at=_moment(options["expires"]),
            )
        except Refusal as error:
            raise CommandError(error.detail) from error
        self.stdout.write(secret)


def _moment(text: str | None) -> datetime | None:
    if not text:
        return None
    try:
        moment = datetime.fromisoformat(text)
    except ValueError as error:
        raise CommandError("--expires takes a date or time such as 2027-01-31 or 2027-01-31T12:00:00+01:00.") from error
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
