"""Whom a delivery is for: why they are told, and in which time zone they read."""

from datetime import tzinfo
from zoneinfo import ZoneInfo

from notifications.models import Delivery


def why_told(delivery: Delivery) -> str:
    """Return why the person of a delivery is told; '' for the team, and where nothing says it."""
    if delivery.notice is None or delivery.person_id is None:
        return ""
    why = delivery.notice.items.filter(person=delivery.person_id).values_list("why", flat=True).first()
    return why or str(delivery.notice.facts.get("why", ""))


def zone_of(delivery: Delivery) -> tzinfo:
    """Return the time zone of the person of a delivery; UTC for the team."""
    return ZoneInfo(delivery.person.time_zone if delivery.person else "UTC")
