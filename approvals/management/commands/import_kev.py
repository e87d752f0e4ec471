"""manage.py import_kev: mark known-exploited CVEs from CISA's catalogue."""

import json
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils import timezone

from approvals.actors import command
from approvals.errors import Refusal
from approvals.services.kev import import_catalogue


class Command(BaseCommand):
    help = "Import the catalogue of known exploited vulnerabilities (CISA's JSON)."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("file", type=Path)

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            document = json.loads(options["file"].read_bytes())
            new, raised = import_catalogue(document, actor=command("import_kev"), now=timezone.now())
        except OSError as error:
            raise CommandError(f"{options['file']}: {error.strerror}.") from error
        except ValueError as error:
            raise CommandError(f"{options['file']} is not JSON: {error}.") from error
        except Refusal as error:
            raise CommandError(error.detail) from error
        self.stdout.write(f"{new} CVEs are new to us; {raised} pending decisions were raised.")
