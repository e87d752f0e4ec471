"""Count again what the summary and the analytics page read, and say what differed."""

from typing import Any

from django.core.management.base import BaseCommand

from approvals.services.tallies import refill

SHOWN = 50


class Command(BaseCommand):
    """Mend the tallies."""

    help = "Counts all decisions, sets the tallies right and says what differed. The product goes on meanwhile."

    def handle(self, *args: Any, **options: Any) -> None:
        """Refill; the first differences, then how many there were."""
        differences = refill()
        for series, at, name, number, kept, counted in differences[:SHOWN]:
            self.stdout.write(f"{series} {name} {number} of {at}: was {kept}, is {counted}")
        found = f"{len(differences):,} tallies differed and were set right" if differences else "No tally differed"
        self.stdout.write(f"{found}.")
