"""The words full-text search finds a patch by, as they are kept beside it."""

from collections.abc import Iterable
from typing import Any

from approvals.models import Producer


def search_text(columns: dict[str, Any], producer: Producer, more: Iterable[str] = ()) -> str:
    """Return the words full-text search finds a patch by, letters and digits only, so that any part can be typed."""
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
    return words(" ".join(values))


def words(text: str) -> str:
    return " ".join("".join(char if char.isalnum() else " " for char in text.lower()).split())
