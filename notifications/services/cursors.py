"""How far sources of notices were told. The only writer of cursors."""

from notifications.models import Cursor


def lock(source: str) -> Cursor | None:
    """Return the cursor of a source, locked until the transaction ends; None where somebody else has it."""
    Cursor.objects.get_or_create(name=source)
    return Cursor.objects.select_for_update(skip_locked=True).filter(name=source).first()


def move(cursor: Cursor, position: int) -> None:
    """Say that everything up to this position was told."""
    cursor.position = position
    cursor.save(update_fields=["position"])
