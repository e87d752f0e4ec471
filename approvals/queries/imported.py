"""Decisions that were imported from another system."""

from collections.abc import Iterable

from django.db.models import QuerySet

from approvals.models import ImportedDecision, Source

ORDER = ["-id"]
"""The last one imported first; an import adds what it finds in the order it was decided."""


def found(name: str, source: str, outcome: str) -> QuerySet[ImportedDecision]:
    """Return imported decisions by one of their names, whole and in any case, and by system and outcome; '' is any."""
    rows = ImportedDecision.objects.select_related("record")
    if name:
        rows = rows.filter(names__contains=[name.lower()])
    if source:
        rows = rows.filter(source=source)
    return rows.filter(outcome=outcome) if outcome else rows


def records_of(source: Source, ids: Iterable[str]) -> dict[str, str | None]:
    """Return the records of those of these rows that are imported already, by their ids; None where one is erased."""
    rows = ImportedDecision.objects.filter(source=source, source_id__in=list(ids))
    return dict(rows.values_list("source_id", "record__body"))
