"""Columns of a patch that are read from its diff: for new patches, and for patches older than the columns."""

from typing import Any

from django.db import transaction

from approvals.diff.parse import parse
from approvals.diff.same_lines import SameLines, same_lines
from approvals.diff.summary import Summary, summary
from approvals.models import Patch, PatchContent, PatchKind

AT_ONCE = 50  # diffs of up to 5 MB each are read one by one; this bounds the rows locked together


def change_columns(change: SameLines) -> dict[str, Any]:
    """Return the columns of a patch that hold the digests of its change."""
    return {
        "change_sha256": change.exact,
        "change_spaceless_sha256": change.spaceless,
        "change_files_sha256": change.files,
        "mark_codes": list(change.codes),
    }


def reading_columns(facts: Summary) -> dict[str, Any]:
    """Return the columns of a patch that say how tools read it, what marks it has, and its canonical digest."""
    return {
        "canonical_sha256": facts["canonical_sha256"] or "",
        "no_canonical": facts["no_canonical"],
        "ambiguous": facts["ambiguous"],
        "marks": facts["marks"],
        "worst_mark": facts["worst_mark"],
    }


@transaction.atomic
def fill_some(after: int) -> tuple[int, int]:
    """Fill these columns for the next patches without them, with keys above `after`; return how many and the last key.

    Diffs are read one by one, so memory is bounded by the largest. Safe to repeat and to run during intake.
    """
    missing = Patch.objects.filter(pk__gt=after, kind=PatchKind.PATCH, mark_codes=None).order_by("pk")
    keys = list(missing.select_for_update(skip_locked=True).values_list("pk", flat=True)[:AT_ONCE])
    for key in keys:
        diff = bytes(PatchContent.objects.values_list("diff", flat=True).get(pk=key))
        [locations] = Patch.objects.filter(pk=key).values_list("vulnerable_locations", flat=True)
        parsed = parse(diff)
        facts = summary(parsed, locations)
        columns = reading_columns(facts) | change_columns(same_lines(parsed, facts["marks"]))
        Patch.objects.filter(pk=key).update(**columns)
    return len(keys), keys[-1] if keys else after
