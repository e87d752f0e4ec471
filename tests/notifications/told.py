"""What tests of channels do: tell somebody something, and see what becomes of it."""

from typing import Any

from django.utils import timezone

from approvals.models import User
from notifications.models import Delivery, Preference, When, new_id
from notifications.services import deliveries
from notifications.services.notices import News, notify


def told(person: User, kind: str = "decided", why: str = "it is yours", **facts: Any) -> Delivery:
    """Tell somebody something who chose to hear of it at once, send what is due, and return the delivery."""
    Preference.objects.get_or_create(person=person, kind=kind, defaults={"when": When.AT_ONCE, "channels": ["mail"]})
    facts = {"headline": "Fix of flask was approved", "link": "/patches/1", "why": why} | facts
    notice = notify(News(kind, f"{kind}:{new_id()}", "subject-1", facts), {person.pk: why}, now=timezone.now())
    made = Delivery.objects.get(notice=notice)
    deliveries.deliver_due(timezone.now())
    made.refresh_from_db()
    return made
