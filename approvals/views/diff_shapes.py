"""What the templates of a diff get: the section and its files."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from approvals.diff.excerpts import Excerpt
from approvals.diff.hostile import Mark
from approvals.diff.structure import WarningFacts


@dataclass(frozen=True, slots=True)
class ShownFile:
    """The head of a file, and when it is open the rows of a window that begins at line `first`."""

    key: str
    path: str
    old_path: str | None  # of a file that was renamed or copied
    change: str
    binary: bool
    additions: int
    deletions: int
    line_count: int
    sha256: str
    viewed: bool
    open: bool
    split: bool
    first: int
    next: int | None  # the line after the window, None at the end
    left: int  # lines in the next window
    rows: list[dict[str, Any]] | None  # by hunk; None where it is folded or could not be drawn
    header: dict[str, Any]
    odd: Sequence[str]
    raw: Excerpt | None  # instead of rows that could not be drawn
    notes: list[Mark]  # on the whole file
    mark_count: int


@dataclass(frozen=True, slots=True)
class DiffSection:
    """The diff of a page; of a `closed` one, for somebody who may not read diffs, counts and warnings alone."""

    file_count: int
    additions: int
    deletions: int
    parsed: bool
    warnings: Sequence[WarningFacts]
    closed: bool = False
    files: Sequence[ShownFile] = ()
    message: Sequence[dict[str, Any]] = ()  # words before the first file
    parts: Sequence[dict[str, Any]] = ()  # files with the words among them
    more: Sequence[dict[str, Any]] = ()  # links to what has no room
    more_count: int = 0
    more_of: str = ""
    unlisted: int = 0  # what has not even a link
    sent: Excerpt | None = None
    viewed_count: int = 0
    marks: Sequence[dict[str, Any]] = ()
    split: bool = False
    paths: Sequence[str] = ()
    raw_url: str = ""
