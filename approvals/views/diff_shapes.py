"""What the templates of a diff get: the section with its files, their hunks, and the words around them."""

from collections.abc import Sequence
from dataclasses import dataclass

from approvals.diff.excerpts import Excerpt
from approvals.diff.hostile import Mark
from approvals.diff.structure import WarningFacts

from .diff_rows import Stretch


@dataclass(frozen=True, slots=True)
class ShownHunk:
    """The head and rows of a hunk; `odd` are sentences on its head."""

    header: str
    heading: str
    stretches: list[Stretch]
    odd: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class FileHeader:
    """The header of a file as it was sent; `stray` where a line of it is said nowhere else."""

    excerpt: Excerpt
    stray: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class FileWindow:
    """The head of a file, and the rows of a window of it."""

    key: str
    path: str
    change: str
    additions: int
    deletions: int
    open: bool = True
    rows: list[ShownHunk] | None  # None where it is folded or could not be drawn
    next: int | None  # the row after the window; in the diff section None at the end


@dataclass(frozen=True, slots=True, kw_only=True)
class ShownFile(FileWindow):
    """A file of the diff section."""

    old_path: str | None  # of a file that was renamed or copied
    binary: bool
    line_count: int
    sha256: str
    viewed: bool
    split: bool
    first: int  # where the window begins
    left: int  # lines in the next window
    header: FileHeader
    odd: Sequence[str]
    raw: Excerpt | None  # instead of rows that could not be drawn
    notes: list[Mark]  # on the whole file
    mark_count: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ComparedFile(FileWindow):
    """What differs in a file between two revisions; the window has `count` rows of `size` characters."""

    count: int
    size: int
    sentences: list[str]
    hidden: int  # rows after the window


@dataclass(frozen=True, slots=True)
class ShownWords:
    """A stretch of words that belongs to no file: its first lines and what unfolds."""

    part: str
    title: str
    quiet: bool
    lines: int
    head: Excerpt
    rest: Excerpt | None


@dataclass(frozen=True, slots=True)
class Part:
    """A file or words, in the order in which they stand in the patch."""

    file: ShownFile | None = None
    words: ShownWords | None = None


@dataclass(frozen=True, slots=True)
class Link:
    """A part that has a page of its own because this one is full."""

    part: str
    name: str
    file: bool


@dataclass(frozen=True, slots=True)
class Parts:
    """A patch in its order: words before the first file, files with words among them, links to what is left."""

    message: Sequence[Part] = ()
    among: Sequence[Part] = ()
    more: Sequence[Link] = ()
    more_count: int = 0
    more_of: str = ""
    unlisted: int = 0  # links that would be too many: the whole patch as sent has them
    sent: Excerpt | None = None


@dataclass(frozen=True, slots=True)
class MarkGroup:
    """Marks of one title, `more` of which are not listed."""

    title: str
    marks: list[Mark]
    more: int
    count: int
    warn: bool


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
    parts: Parts = Parts()
    viewed_count: int = 0
    marks: Sequence[MarkGroup] = ()
    split: bool = False
    paths: Sequence[str] = ()
    raw_url: str = ""
