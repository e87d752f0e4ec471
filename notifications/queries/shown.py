"""What the page of templates shows a kind with: the newest notice of this install, or a made-up one."""

from datetime import datetime

from django.db.models import Max

from notifications.examples import example
from notifications.models import Notice

LOOKED_AT = 20_000  # notices, newest first: a kind that never comes must not cost a walk through all of them
TRIAL = "trial:"
"""What the key of a notice begins with that somebody sent themselves from that page."""


def notice_to_show(kind: str, now: datetime) -> Notice:
    """Return the newest notice of a kind, with why its first reader was told as the fact `why`; else an example, which
    has no primary key."""
    newest: int = Notice.objects.aggregate(newest=Max("pk"))["newest"] or 0
    rows = Notice.objects.filter(kind=kind, pk__gt=newest - LOOKED_AT).exclude(key__startswith=TRIAL)
    notice = rows.order_by("-pk").first()
    if notice is None:
        return example(kind, now)
    why = notice.items.order_by("pk").values_list("why", flat=True).first()
    notice.facts = {"why": why or ""} | notice.facts
    return notice
