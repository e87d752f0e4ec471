"""The words by which full-text search finds a patch, as stored with it."""

from collections.abc import Iterable
from typing import Any

from approvals.models import Producer


def search_text(columns: dict[str, Any], producer: Producer, more: Iterable[str] = ()) -> str:
    """Return the words by which full-text search finds a patch: letters and digits only, so any part can be typed."""
    values = [
        columns["patch_id"],
        columns["apv_id"],
        columns["title"],
        columns["package_name"],
        columns["repository"],
        columns["submitted_by"],
        producer.name,
        *columns["cve_ids"],
        *columns["aliases"],
        *columns["vulnerability_ids"],
        *columns["cwe_ids"],
        *more,
    ]
    return letters_and_digits(" ".join(values))


def letters_and_digits(text: str) -> str:
    """Return a text's runs of letters and digits, in lower case, with one space between them."""
    return " ".join("".join(char if char.isalnum() else " " for char in text.lower()).split())
