"""Write the database's functions and triggers to the files under `approvals/sql` and `audit/sql`."""

from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand

from postgresql.functions import APPS, definitions


class Command(BaseCommand):
    help = "Write each function and trigger of the migrated database to <app>/sql/<function>.sql, for people to read."

    def handle(self, *args: Any, **options: Any) -> None:
        """Replace all files; a function that is gone has none afterwards."""
        for app in APPS:
            for file in (settings.BASE_DIR / app / "sql").glob("*.sql"):
                file.unlink()
        for path, text in definitions().items():
            file = settings.BASE_DIR / path
            file.parent.mkdir(exist_ok=True)
            file.write_text(text)
            self.stdout.write(path)
