"""Write into the log that the database was put back to an earlier time: what came after that time is not in it."""

from datetime import datetime

from django.db import transaction

from audit.log import Actor, Subject, record


@transaction.atomic
def note_restore(name: str, made_at: str, places: int, root: str, *, actor: Actor, now: datetime) -> None:
    """Record that a backup was restored, with the time it was made and the places and root of the log it held."""
    record(
        "backup.restored",
        actor=actor,
        at=now,
        subject=Subject("backup", name, name),
        data={"made_at": made_at, "places": places, "log_root": root},
    )
