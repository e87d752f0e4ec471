"""The one check of the words that say why."""

from approvals.errors import Invalid
from approvals.models import MAX_REASON


def check_reason(text: str) -> str:
    """Return a reason without the space around it. Raise Invalid where it says nothing or too much."""
    if not text.strip():
        raise Invalid("Say why: a reason is required.", field="reason", part="body", msg="required")
    if "\x00" in text:  # no text of PostgreSQL has it
        raise Invalid(
            "The reason has a NUL character in it.", field="reason", part="body", msg="contains a NUL character"
        )
    if len(text) > MAX_REASON:
        raise Invalid(f"A reason may have {MAX_REASON:,} characters.", field="reason", part="body", msg="too long")
    return text.strip()
