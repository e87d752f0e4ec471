"""What a restore leaves in the database itself: what came after the time of the backup is not in it."""

from datetime import datetime

from django.db import transaction

from audit.log import Actor, Subject, record

from .killswitch import turn

WHY = "A backup was restored: what people refused since it was made waits here again."


@transaction.atomic
def note_restore(name: str, made_at: str, places: int, root: str, *, actor: Actor, now: datetime) -> None:
    """Record that a backup was restored, with the time it was made and the places and root of the log it held, and stop
    automatic approval: a deployer would be told at once to apply what people refused meanwhile."""
    record(
        "backup.restored",
        actor=actor,
        at=now,
        subject=Subject("backup", name, name),
        data={"made_at": made_at, "places": places, "log_root": root},
    )
    turn(True, WHY, user=None, actor=actor, now=now)
