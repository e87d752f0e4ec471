"""A mail that somebody sends themselves, to see what the templates of a kind become in their own program."""

from datetime import datetime, timedelta

from django.contrib.auth import get_user_model
from django.db import transaction

from notifications.backoff import WITHIN
from notifications.models import Channel, Delivery, Notice, new_id
from notifications.queries.shown import TRIAL, notice_to_show

User = get_user_model()
AN_HOUR = 5


@transaction.atomic
def send_to_oneself(kind: str, person: int, *, now: datetime) -> Delivery | None:
    """Queue one mail of this kind, as the page shows it, to a person; return None where they had five within the last
    hour. Nothing comes into their inbox."""
    User.objects.select_for_update(no_key=True).get(pk=person)  # two clicks at once count one another
    begins = f"{TRIAL}{person}:"
    if Notice.objects.filter(key__startswith=begins, at__gt=now - timedelta(hours=1)).count() >= AN_HOUR:
        return None
    shown = notice_to_show(kind, now)
    notice = Notice.objects.create(
        key=f"{begins}{new_id()}", kind=kind, subject=begins, facts=shown.facts, critical=shown.critical, at=now
    )
    return Delivery.objects.create(
        channel=Channel.MAIL, notice=notice, person_id=person, due_at=now, give_up_at=now + WITHIN, created_at=now
    )
