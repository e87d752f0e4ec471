"""What people chose: how they hear of each kind of notice, and when."""

from collections.abc import Collection, Mapping
from dataclasses import replace
from datetime import datetime

from django.contrib.auth import get_user_model

from notifications.models import Channel, Hours, Preference, When
from notifications.routing import Choice, Times


def choices_of(kind: str, people: Collection[int]) -> dict[int, Choice]:
    """Return what those of these people chose for a kind who chose something; one query."""
    rows = Preference.objects.filter(kind=kind, person__in=list(people))
    return {row.person_id: _choice(row) for row in rows}


def choices_by(person: int) -> dict[str, Choice]:
    """Return what a person chose, by kind; one query."""
    return {row.kind: _choice(row) for row in Preference.objects.filter(person=person)}


def _choice(row: Preference) -> Choice:
    return Choice(When(row.when), tuple(map(Channel, row.channels)))


def who_is_away(people: Collection[int], now: datetime) -> set[int]:
    """Return those of these people who say that they are away now; one query."""
    return set(Hours.objects.filter(person__in=list(people), away_until__gt=now).values_list("person", flat=True))


TIMES = ("quiet_from", "quiet_until", "critical_breaks_through", "digest_hour", "away_until")
"""Columns of `Hours` that say when a person may be told."""


def times_of(people: Collection[int], away: Mapping[int, datetime] | None = None) -> dict[int, Times]:
    """Return when those of these people may be told whose account is active; one query. `away` are those who are away
    for another reason than that they said so, with until when."""
    columns = [f"hours__{name}" for name in TIMES]
    rows = (
        get_user_model()
        .objects.filter(pk__in=list(people), is_active=True)
        .values_list("pk", "time_zone", "hours", *columns)
    )
    found = {
        person: Times(zone, **dict(zip(TIMES, chosen, strict=True)) if hours else {})
        for person, zone, hours, *chosen in rows
    }
    for person, until in (away or {}).items():
        if person in found:
            own = found[person].away_until
            found[person] = replace(found[person], away_until=max(own, until) if own else until)
    return found
