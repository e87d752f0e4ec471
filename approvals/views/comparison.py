"""What changed between two revisions of a patch, shaped for the page."""

from typing import Any

from approvals.diff.interdiff import FileComparison, compare, comparison_rows
from approvals.diff.rows import HunkRows
from approvals.models import Patch

from .diff import OPEN_LINES
from .diff_rows import Line, Table
from .failures import attempted
from .places import load


def comparison(old: Patch, new: Patch) -> dict[str, Any]:
    """Return what changed between two revisions, as files of the diff section."""
    compared = attempted("Comparing revisions", lambda: compare(load(old), load(new)), lambda: None)
    if compared is None:
        return {"failed": True, "files": [], "unchanged": 0, "same": False}
    left, files = OPEN_LINES, []
    for item in compared.files:
        if item.status == "unchanged":
            continue
        count = min(item.line_count, left)
        left -= count
        files.append(_compared(item, count))
    return {"files": files, "unchanged": len(compared.of("unchanged")), "same": compared.same}


STATUSES = {"changed": "modified", "only_old": "only in the older", "only_new": "only in the newer"}


def _compared(item: FileComparison, count: int) -> dict[str, Any]:
    table = Table(item.key)
    rows = attempted(
        f"Drawing what changed in {item.path}",
        lambda: [_plain(table, hunk) for hunk in comparison_rows(item, count=count)] if count else [],
        lambda: None,
    )
    failed = ["drawn raw: these lines could not be laid out; both revisions show the file."] if rows is None else []
    return {
        "key": item.key,
        "path": item.path,
        "change": STATUSES[item.status],
        "additions": item.additions,
        "deletions": item.deletions,
        "open": True,
        "rows": rows or [],
        "sentences": [*failed, *item.notes, *(["Only the surrounding lines differ."] if item.context_only else [])],
        "hidden": item.line_count - count,
    }


def _plain(table: Table, hunk: HunkRows) -> dict[str, Any]:
    lines = table.unified(Line(row, "", [], [], [], None) for row in hunk.rows)
    return {"header": hunk.header, "heading": hunk.heading, "stretches": lines}
