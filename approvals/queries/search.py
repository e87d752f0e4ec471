"""Full-text search over patches: every word typed must begin a word of the patch; a digest finds its patch."""

import re
from typing import TypeVar

from django.contrib.postgres.search import SearchQuery
from django.db.models import Model, Q, QuerySet

M = TypeVar("M", bound=Model)

DIGEST = re.compile(r"[0-9a-f]{64}")


def matching(rows: QuerySet[M], text: str, column: str) -> QuerySet[M]:
    """Return the rows whose search vector has every word of `text`, each as a prefix; nothing for no words."""
    wanted = text.strip().lower()
    if DIGEST.fullmatch(wanted):
        return rows.filter(Q(**{column.replace("search", "sha256"): wanted}))
    terms = [_term(token) for token in wanted.split()[:20]]
    terms = [term for term in terms if term]
    if not terms:
        return rows.none()
    query = SearchQuery(" & ".join(terms), search_type="raw", config="simple")
    return rows.filter(**{column: query})


def _term(token: str) -> str:
    """Return one typed word as a phrase: the parts of CVE-2024-99 stand together, the last may go on."""
    parts = "".join(char if char.isalnum() else " " for char in token).split()
    return f"({' <-> '.join(parts)}:*)" if parts else ""
