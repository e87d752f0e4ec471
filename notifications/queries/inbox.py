"""What a person has been told, for their inbox. Whose it is comes first in each function: nobody sees another's."""

from collections.abc import Callable

from django.db.models import QuerySet

from notifications.kinds import ASKING
from notifications.models import Item

NEWEST_FIRST = ["-id"]
MOST_UNREAD = 100
"""Unread items are counted up to this: nobody reads a larger number."""


def items_of(person: int) -> QuerySet[Item]:
    """Return all that a person was told; lazily, in no order."""
    return Item.objects.filter(person=person).select_related("notice")


def unread(person: int) -> QuerySet[Item]:
    """Return what a person has not read. What is settled counts as read."""
    return items_of(person).filter(read_at=None)


def that_needs(person: int) -> QuerySet[Item]:
    """Return what a person was asked to act on and may still be."""
    return items_of(person).filter(notice__kind__in=ASKING, notice__settled_at=None)


LISTS: dict[str, Callable[[int], QuerySet[Item]]] = {"": items_of, "unread": unread, "needs-me": that_needs}
"""The lists of an inbox by their names in its address."""
