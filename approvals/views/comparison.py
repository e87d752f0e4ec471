"""What changed between two revisions of a patch, shaped for the page."""

from typing import Any

from approvals.diff.interdiff import Comparison, FileComparison, compare, comparison_rows
from approvals.diff.rows import HunkRows
from approvals.models import Patch

from .comment_positions import load
from .diff import OPEN_LINES
from .diff_rows import Line, Table
from .failures import attempted

MARKUP = 400_000  # characters of the rows of one page
MOST_SHOWN = 60  # files laid out on one page; further ones are links
STATUSES = {
    "unchanged": "words",
    "changed": "modified",
    "only_old": "only in the older",
    "only_new": "only in the newer",
}
FAILED = "drawn raw: these lines could not be laid out; both revisions show the file."


def comparison(old: Patch, new: Patch, key: str = "", first: int = 0) -> dict[str, Any] | None:
    """Return what changed between two revisions, as files of the diff section; of one file from a row on with a key.

    None where no file that differs has the key.
    """
    compared = attempted("Comparing revisions", lambda: compare(load(old), load(new)), lambda: None)
    if compared is None:
        return {"failed": True, "files": [], "more": [], "unchanged": 0, "sentence": ""}
    differing = [item for item in (*compared.files, compared.message) if item.status != "unchanged"]
    if key:
        differing = [item for item in differing if item.key == key]
        if not differing:
            return None
    left, markup, files = OPEN_LINES, MARKUP, []
    for item in differing[:MOST_SHOWN]:
        file = _compared(item, first, left, markup)
        left, markup = left - file["count"], markup - file["size"]
        files.append(file)
    return {
        "files": files,
        "more": [(item.key, item.path) for item in differing[MOST_SHOWN:]],
        "unchanged": 0 if key else len(compared.of("unchanged")),
        "sentence": "" if key else _sentence(compared),
    }


def _sentence(compared: Comparison) -> str:
    """Return what may be said where no file differs; '' where one does."""
    if not compared.same:
        return ""
    if compared.words_applied:
        return "The files do not differ, but some words around them may be applied by a tool"
    if compared.read_otherwise:
        return "The files do not differ, but tools may read the revisions differently: see the marks of both"
    if compared.message.status == "unchanged":
        return "Nothing that is applied differs"
    return "Only words around the changes differ"


def _compared(item: FileComparison, first: int, left: int, markup: int) -> dict[str, Any]:
    count = max(0, min(item.line_count - first, left)) if markup > 0 else 0
    drawn = attempted(f"Drawing what changed in {item.path}", lambda: _rows(item, first, count, markup), lambda: None)
    rows, count, size = drawn or ([], 0, 0)
    after = first + count
    return {
        "key": item.key,
        "path": item.path,
        "change": STATUSES[item.status],
        "additions": item.additions,
        "deletions": item.deletions,
        "open": True,
        "rows": rows,
        "count": count,
        "size": size,
        "sentences": [
            *([FAILED] if drawn is None else []),
            *item.notes,
            *(["Only the surrounding lines differ."] if item.context_only else []),
        ],
        "next": after,
        "hidden": item.line_count - after,
    }


def _rows(item: FileComparison, first: int, count: int, markup: int) -> tuple[list[dict[str, Any]], int, int]:
    """Return rows, how many lines they are and their size: fewer than asked for where they would be too large."""
    if not count:
        return [], 0, 0
    hunks = comparison_rows(item, first=first, count=count)
    size = sum(len(row.html) for hunk in hunks for row in hunk.rows)
    if size > markup and count > 1:
        return _rows(item, first, max(1, count * markup // (2 * size)), markup)
    return [_plain(Table(item.key), hunk) for hunk in hunks], count, size


def _plain(table: Table, hunk: HunkRows) -> dict[str, Any]:
    lines = table.unified(Line(row, "", [], [], [], None) for row in hunk.rows)
    return {"header": hunk.header, "heading": hunk.heading, "stretches": lines}
