"""Stop automatic approval for every policy at once, and read whether it is stopped. The only writer of the switch."""

from datetime import datetime

from django.conf import settings
from django.db import transaction

from approvals.errors import Conflict
from approvals.models import KillSwitch, Text, User
from audit.log import Actor, Subject, record
from postgresql.statements import query_prepared

from .ending import commitment

STOPPED_BY_SQL = "select changed_by from approvals_killswitch where stopped"
LOCKED_STATE_SQL = "select stopped from approvals_killswitch for share"
SUBJECT = Subject("kill_switch", "1", "Automatic approval")


def stopped_by() -> str:
    """Return who stopped automatic approval: a name, 'setting', or '' while it runs. To be shown, not decided by."""
    if not settings.AUTO_APPROVE_ENABLED:
        return "setting"
    rows = query_prepared(STOPPED_BY_SQL)
    return rows[0][0] if rows else ""


def runs_now() -> bool:
    """Return whether automatic approval may happen in this transaction.

    The row stays locked until the transaction ends, and whoever stops automatic approval waits for it: once they have
    an answer, no approval that read the switch before can still be committed.
    """
    if not settings.AUTO_APPROVE_ENABLED:
        return False
    return query_prepared(LOCKED_STATE_SQL) == [(False,)]


def present_state() -> str:
    """Return what the switch says and since when."""
    return " ".join(map(str, KillSwitch.objects.values_list("stopped", "changed_at").get()))


def keep_setting() -> None:
    """Copy SECOND_PERSON_REQUIRED to the database, whose triggers check it; only the owner of the tables may."""
    KillSwitch.objects.exclude(second_person_required=settings.SECOND_PERSON_REQUIRED).update(
        second_person_required=settings.SECOND_PERSON_REQUIRED
    )


def demand_setting() -> None:
    """Raise Conflict if the setting asks for no second person but the database still does (`migrate` copies it)."""
    if not settings.SECOND_PERSON_REQUIRED and KillSwitch.objects.filter(second_person_required=True).exists():
        raise Conflict("The database still asks for a second person: whoever runs this calls `manage.py migrate` once.")


@transaction.atomic
def turn(stopped: bool, reason: str, *, user: User | None, actor: Actor, now: datetime) -> bool:
    """Set the switch, with its audit entry, and return whether it changed; no `user` is a command.

    Raise Conflict, when it is to run again, as `demand_setting` does.
    """
    switch = KillSwitch.objects.select_for_update().get()
    if switch.stopped == stopped:
        return False
    if not stopped:
        demand_setting()
    text = Text.objects.create(body=reason)
    switch.stopped, switch.changed_at, switch.reason = stopped, now, text
    switch.changed_by = str(user) if user else actor.label
    switch.save(update_fields=["stopped", "changed_by", "changed_at", "reason"])
    record(
        "automation.stopped" if stopped else "automation.started",
        actor=actor,
        at=now,
        subject=SUBJECT,
        data={"reason": commitment(text)},
    )
    return True
