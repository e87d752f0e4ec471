"""Record that a list was exported: the entry is all there is to write."""

from datetime import datetime

from audit.log import Actor, Subject, record


def record_export(what: str, filters: dict[str, str], *, actor: Actor, now: datetime) -> None:
    """Record that a list was exported, and its filters; their values may name people, so they stand in `aside`."""
    subject, narrowed = Subject("export", what, what), sorted(name for name, value in filters.items() if value)
    record(
        "export.made", actor=actor, at=now, subject=subject, data={"narrowed_by": narrowed}, aside={"filters": filters}
    )
