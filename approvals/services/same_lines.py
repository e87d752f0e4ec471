"""The digests of a patch's changed lines as its columns: of new patches, and of those that came before the columns."""

from typing import Any

from django.db import transaction

from approvals.diff.parse import parse
from approvals.diff.same_lines import SameLines, same_lines
from approvals.models import Patch, PatchContent, PatchKind

AT_ONCE = 50  # diffs of up to 5 MB each are read one by one; this bounds the rows locked together


def change_columns(change: SameLines) -> dict[str, Any]:
    """Return the columns of a patch in which its digests are kept."""
    return {
        "change_sha256": change.exact,
        "change_spaceless_sha256": change.spaceless,
        "change_files_sha256": change.files,
        "mark_codes": list(change.codes),
    }


@transaction.atomic
def fill_some(after: int) -> tuple[int, int]:
    """Fill the columns of the next patches that have none, by key after this one; return how many and the last key.

    Each diff is read by itself, so memory is bounded by the largest. Safe to repeat, and beside intake.
    """
    missing = Patch.objects.filter(pk__gt=after, kind=PatchKind.PATCH, mark_codes=None).order_by("pk")
    keys = list(missing.select_for_update(skip_locked=True).values_list("pk", flat=True)[:AT_ONCE])
    for key in keys:
        diff = bytes(PatchContent.objects.values_list("diff", flat=True).get(pk=key))
        [locations] = Patch.objects.filter(pk=key).values_list("vulnerable_locations", flat=True)
        found = same_lines(parse(diff), [location["file"] for location in locations])
        Patch.objects.filter(pk=key).update(**change_columns(found))
    return len(keys), keys[-1] if keys else after
