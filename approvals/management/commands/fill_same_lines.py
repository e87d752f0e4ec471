"""manage.py fill_same_lines: compute the digests of the changed lines of patches that came before they were kept."""

from typing import Any

from django.core.management.base import BaseCommand

from approvals.services.same_lines import fill_some


class Command(BaseCommand):
    help = "Compute the digests of the changed lines of older patches. Safe to stop and to repeat."

    def handle(self, *args: Any, **options: Any) -> None:
        filled, last = fill_some(0)
        total = filled
        while filled:
            filled, last = fill_some(last)
            total += filled
        self.stdout.write(f"{total} patches have their digests now.")
