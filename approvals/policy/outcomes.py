"""Who decided what and when, as the sentence that refusals and pages begin with."""

from datetime import datetime

from approvals.errors import moment
from approvals.models import Status


def outcome_sentence(status: str, by: str, at: datetime | None, channel: str) -> str:
    """Return the sentence; '' while pending. `channel` is '' where none is stored."""
    if status == Status.PENDING or at is None:
        return ""
    through = f" ({channel})" if channel else ""
    return f"{Status(status).label} by {by} at {moment(at)}{through}."
