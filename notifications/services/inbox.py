"""What people read in their inbox: the one writer of `read_at` beside `notices.settle`, for one's own items alone."""

from datetime import datetime

from notifications.models import Item
from notifications.queries.inbox import that_needs, unread


def read(person: int, item: int, *, now: datetime) -> Item | None:
    """Mark one item of a person as read and return it; None where they have no such item."""
    Item.objects.filter(pk=item, person=person, read_at=None).update(read_at=now)
    return Item.objects.select_related("notice").filter(pk=item, person=person).first()


def read_all(person: int, newest: int, *, now: datetime) -> int:
    """Mark a person's items as read up to the newest one that they were shown; return how many."""
    return unread(person).filter(pk__lte=newest).update(read_at=now)


def next_that_needs(person: int, *, now: datetime) -> Item | None:
    """Mark as read, and return, the next item that asks a person to act: of those they have not read the critical ones
    first, then the oldest. None where there is no more."""
    item = that_needs(person).filter(read_at=None).order_by("-notice__critical", "pk").first()
    return read(person, item.pk, now=now) if item else None
