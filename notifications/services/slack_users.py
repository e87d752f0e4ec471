"""Whose Slack user is whose. The only writer of these columns.

A person gets a code where they are signed in and types it in Slack, which signs who typed it. The other way round, a
link from Slack that a signed-in person follows, anybody could send them theirs.
"""

import hashlib
import secrets
from datetime import datetime, timedelta

from django.db import IntegrityError, transaction

from notifications.models import Hours

ALPHABET = "ABCDEFGHJKLMNPQRSTUVWXYZ23456789"
LENGTH = 20  # 100 bits: nobody guesses one
LASTS = timedelta(minutes=10)
COLUMNS = ["slack_id", "slack_home", "slack_code", "slack_code_until"]


def new_code(person: int, *, now: datetime) -> str:
    """Return a code that links a Slack user to this person, once, within ten minutes; the one before is no good now."""
    code = "".join(secrets.choice(ALPHABET) for _ in range(LENGTH))
    kept = {"slack_code": _digest(code), "slack_code_until": now + LASTS}
    Hours.objects.update_or_create(person_id=person, defaults=kept)
    return code


@transaction.atomic
def link(code: str, slack_id: str, home: str, *, now: datetime) -> int | None:
    """Link a Slack user to the person whose code this is, and return them; None where it is nobody's, is over or the
    Slack user is another person's."""
    hours = Hours.objects.select_for_update().filter(slack_code=_digest(code), slack_code_until__gt=now).first()
    if hours is None:
        return None
    hours.slack_id, hours.slack_home, hours.slack_code, hours.slack_code_until = slack_id, home, "", None
    try:
        with transaction.atomic():
            hours.save(update_fields=COLUMNS)
    except IntegrityError:  # of `slack_user_once`
        return None
    return int(hours.pk)


@transaction.atomic
def unlink(person: int) -> str:
    """Take a person's Slack user from them, and a code that was not used yet; return its id, '' where they had none."""
    hours = Hours.objects.select_for_update().filter(pk=person).first()
    if hours is None:
        return ""
    slack_id = hours.slack_id
    hours.slack_id, hours.slack_home, hours.slack_code, hours.slack_code_until = "", "", "", None
    hours.save(update_fields=COLUMNS)
    return slack_id


def _digest(code: str) -> str:
    return hashlib.sha256(code.strip().upper().encode()).hexdigest()
