"""manage.py fill_same_lines: read again the patches that came before digests of lines, marks and canonical form."""

from typing import Any

from django.core.management.base import BaseCommand

from approvals.services.same_lines import fill_some


class Command(BaseCommand):
    help = "Read older patches for digests of lines, marks and canonical form. Safe to stop and to repeat."

    def handle(self, *args: Any, **options: Any) -> None:
        filled, last = fill_some(0)
        total = filled
        while filled:
            filled, last = fill_some(last)
            total += filled
        self.stdout.write(f"{total} patches have their digests now.")
