"""What people choose for themselves: the only writer of preferences and hours (the Slack user is linked elsewhere).

No entry of the audit log: who is told by which way decides nothing, and is nobody else's business.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from django.db import transaction

from notifications.models import Hours, Item, Preference
from notifications.queries.preferences import TIMES, times_of
from notifications.routing import Choice, next_digest


@transaction.atomic
def choose(person: int, choices: Mapping[str, Choice], times: Mapping[str, Any], *, now: datetime) -> None:
    """Keep what a person chose for these kinds, and when they may be told (the columns of `preferences.TIMES`). What
    waits for their digest moves to the first one that is due then."""
    Preference.objects.bulk_create(
        [
            Preference(person_id=person, kind=kind, when=choice.when, channels=list(choice.channels))
            for kind, choice in choices.items()
        ],
        update_conflicts=True,
        unique_fields=["person", "kind"],
        update_fields=["when", "channels"],
    )
    Hours.objects.update_or_create(person_id=person, defaults={name: times[name] for name in TIMES})
    if chosen := times_of([person]).get(person):
        back = max(now, chosen.away_until or now)
        waiting = Item.objects.filter(person=person, digest_at__isnull=False, beyond_limit=False)
        waiting.update(digest_at=next_digest(chosen, back))
