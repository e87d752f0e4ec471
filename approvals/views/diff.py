"""A parsed diff, shaped for the page: what opens at once, what folds to a link, which marks and comments stand
where."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from operator import itemgetter
from typing import Any

from django.http import HttpRequest
from django.urls import reverse

from approvals.diff.excerpts import excerpt
from approvals.diff.hostile import Mark, marks
from approvals.diff.moved import Move, Moves, Respacing, moves
from approvals.diff.notices import shortened
from approvals.diff.rows import HunkRows, Row, drawn_hunks, file_rows, file_weight, weight
from approvals.diff.scope import ScopeMark, scope_marks
from approvals.diff.structure import Diff, File, WarningFacts
from approvals.models import Comment, Decision, Patch, Side
from approvals.queries.evidence import UsualSize

from . import odd, words
from .comment_positions import Places, load, places
from .diff_rows import Line, Table
from .diff_shapes import DiffSection, ShownFile
from .failures import attempted

CUT = '<span class="cut">'  # in the markup of a line of which only the beginning is drawn
OPEN_LINES = 400  # lines of the page, in file order, that are there at once; the rest loads on demand
OPEN_CHARACTERS = 40_000  # of the same lines: four hundred long ones would make a page of megabytes
MOST_FILES = 60  # file heads on the page; the rest are links, each to a page of its own
NAMES = 30_000  # characters of markup of their names, each of which a page has some eight times
MOST_LINKS = 300  # of those; a patch of thousands of files is read in its bytes
MOVED_IN = 3_000  # lines: looking for moved blocks in more would be felt
MUCH_LARGER = 3  # times the usual size
LAYOUTS = ("unified", "split")


@dataclass(frozen=True, slots=True)
class Reading:
    """A patch's diff with everything that is said about it, for one reader."""

    patch: Patch
    diff: Diff
    marks: tuple[Mark, ...]
    moved: Moves
    comments: Places
    viewed: set[str]
    layout: str
    composing: str  # the address of the line somebody writes at without a script
    ask: str  # the query that asks for a form at a line, up to that line's address; '' for who may not comment
    text: str  # the address of a part of the patch as sent, up to that part's name
    odd: dict[int, list[str]]  # what is odd about a line of the patch, by its number there

    @property
    def split(self) -> bool:
        return self.layout == "split"


def read(
    decision: Decision,
    comments: Sequence[Comment],
    viewed: set[str],
    layout: str,
    usual: Sequence[UsualSize] = (),
    *,
    composing: str = "",
    ask: str = "",
) -> Reading:
    """Return the diff of a decision with its marks, comments and ticks."""
    patch = decision.patch
    diff = load(patch)
    return Reading(
        patch=patch,
        diff=diff,
        marks=(*_large(patch, usual), *_found(patch, diff)),
        moved=attempted("Looking for moved lines", lambda: _moved(diff), lambda: Moves((), ())),
        comments=attempted("Placing comments", lambda: places(diff, patch, comments), dict),
        viewed=viewed,
        layout=layout,
        composing=composing,
        ask=ask,
        text=reverse("patch-text", args=[decision.decision_id, "-"])[:-1],
        odd=odd.by_line(diff),
    )


def _found(patch: Patch, diff: Diff) -> tuple[Mark, ...]:
    """Return the marks of a diff; one that says so where looking for them failed."""
    declared = [location["file"] for location in patch.vulnerable_locations]
    failed = "Looking for what is hostile or out of scope failed: no mark here does not mean that nothing is odd."
    return attempted(
        "Marking the diff",
        lambda: (*marks(diff), *scope_marks(diff, declared)),
        lambda: (ScopeMark("unmarked", "not looked through", failed),),
    )


def _moved(diff: Diff) -> Moves:
    return moves(diff) if diff.line_count <= MOVED_IN else Moves((), ())


def _large(patch: Patch, usual: Sequence[UsualSize]) -> Iterator[ScopeMark]:
    """Mark a patch that changes much more than approved ones of the same weakness; the worst comparison is said."""
    changed = patch.additions + patch.deletions
    factor, size = max(((changed / max(size.lines, 1), size) for size in usual), key=itemgetter(0), default=(0, None))
    if size and factor >= MUCH_LARGER:
        yield ScopeMark(
            "larger-than-usual",
            f"{factor:.2g} times the usual size",
            f"It changes {changed:,} lines; the median of the last {size.patches} approved patches of {size.cwe} "
            f"is {size.lines:g}.",
        )


def layout_of(request: HttpRequest) -> str:
    """Return unified or split as asked for or remembered; phones always get unified."""
    if "Mobi" in request.headers.get("User-Agent", ""):
        return "unified"
    wanted = request.GET.get("view") or request.COOKIES.get("diff", "")
    return wanted if wanted in LAYOUTS else "unified"


def closed(patch: Patch) -> DiffSection:
    """Return the section for somebody who may not read diffs."""
    return DiffSection(
        file_count=patch.file_count,
        additions=patch.additions,
        deletions=patch.deletions,
        parsed=patch.parsed,
        warnings=patch.parse_warnings,
        closed=True,
    )


def section(reading: Reading, raw_url: str) -> DiffSection:
    """Return the section with its files, those that fit opened."""
    diff = reading.diff
    files = list(_files(reading))
    return DiffSection(
        file_count=len(diff.files),
        additions=diff.additions,
        deletions=diff.deletions,
        parsed=diff.parsed,
        warnings=[_shortened(warning.facts()) for warning in diff.warnings],
        files=files,
        viewed_count=sum(file.sha256 in reading.viewed for file in diff.files),
        marks=summary(reading.marks),
        split=reading.split,
        paths=[file.path for file in diff.files],
        raw_url=raw_url,
        **words.parts(diff, {file.key: file for file in files}, MOST_LINKS),
    )


def _shortened(warning: WarningFacts) -> WarningFacts:
    return {**warning, "file": warning["file"] and shortened(warning["file"])}


def summary(found: Iterable[Mark]) -> list[dict[str, Any]]:
    """Return the marks by title, those that ask for a look first."""
    groups: dict[str, list[Mark]] = defaultdict(list)
    for mark in found:
        groups[mark.title].append(mark)
    return sorted(
        (
            {"title": title, "marks": group[:12], "more": max(0, len(group) - 12), "count": len(group), "warn": warns}
            for title, group in groups.items()
            for warns in [any(_warns(mark) for mark in group)]
        ),
        key=lambda item: not item["warn"],
    )


def one_file(reading: Reading, key: str, first: int = 0) -> ShownFile | None:
    """Return one file opened from a line on, or None when the patch has none of that key."""
    return next(
        (shown(reading, file, opened=True, first=first) for file in reading.diff.files if file.key == key), None
    )


def attached(reading: Reading, comment: Comment) -> bool:
    """Tell whether a comment stands at a line of this patch; otherwise the discussion shows it as outdated."""
    return any(comment in said for said in reading.comments.values())


def shown(reading: Reading, file: File, *, opened: bool, first: int = 0) -> ShownFile:
    """Return a file for the template: its head, and when opened the rows of a window that begins at a line."""
    found = [mark for mark in reading.marks if mark.key == file.key]
    count = window(file, first) if opened else 0
    after = first + count
    rows = _drawn(reading, file, found, first, count) if opened else None
    failed = opened and rows is None
    return ShownFile(
        key=file.key,
        path=file.path,
        old_path=file.old_path if file.change in {"renamed", "copied"} else None,
        change=file.change,
        binary=file.binary,
        additions=file.additions,
        deletions=file.deletions,
        line_count=file.line_count,
        sha256=file.sha256,
        viewed=file.sha256 in reading.viewed,
        open=opened,
        split=reading.split,
        first=first,
        next=after if opened and not failed and after < file.line_count else None,
        left=min(OPEN_LINES, file.line_count - after),
        rows=rows,
        header=words.header(file),
        odd=odd.of_header(reading.odd, file),
        raw=excerpt(file.to_bytes()) if failed else None,
        notes=[mark for mark in found if mark.line is None],
        mark_count=sum(_warns(mark) for mark in found),
    )


def _drawn(reading: Reading, file: File, found: list[Mark], first: int, count: int) -> list[dict[str, Any]] | None:
    """Return the rows of a window, or None where drawing them failed."""
    return attempted(f"Drawing {file.path}", lambda: _hunks(reading, file, found, first, count), lambda: None)


def window(file: File, first: int) -> int:
    """Return how many lines from `first` on go into one answer: by number and by length, one at least."""
    count = size = 0
    lines = (raw for hunk in file.hunks for raw in hunk.raw_lines)
    for number, raw in enumerate(lines):
        if number < first:
            continue
        size += weight(raw)
        if count >= OPEN_LINES or (count and size > OPEN_CHARACTERS):
            break
        count += 1
    return count


def _files(reading: Reading) -> Iterator[ShownFile]:
    lines, characters, names = OPEN_LINES, OPEN_CHARACTERS, NAMES
    for file in reading.diff.files[:MOST_FILES]:
        names -= weight(file.path.encode(errors="replace"))
        if names < 0:
            return
        fits = file.line_count <= lines and file.size <= characters
        size = file_weight(file) if fits else 0
        opened = fits and size <= characters and file.sha256 not in reading.viewed
        lines -= file.line_count if opened else 0
        characters -= max(size, file.size) if opened else 0
        yield shown(reading, file, opened=opened)


def _hunks(reading: Reading, file: File, found: list[Mark], first: int, count: int) -> list[dict[str, Any]]:
    """Return the hunks of a window, each row with its marks, moves and comments."""
    at_line: dict[str, list[tuple[str, str]]] = defaultdict(list)
    for mark in found:
        if mark.line is not None:
            at_line[str(mark.line)].append((mark.title, mark.explanation))
    moved = reading.moved.of(file.key)
    table, hunks = Table(file.key, reading.ask), []
    for number, start, hunk in _numbered(file, first, count):
        lines = {
            id(row): _line(reading, file, row, at_line, moved, (number, start + place))
            for place, row in enumerate(hunk.rows)
        }
        pairs = ((lines.get(id(left)), lines.get(id(right))) for left, right in hunk.pairs)
        stretches = table.split(pairs) if reading.split else table.unified(lines[id(row)] for row in hunk.rows)
        said = odd.of_heading(reading.odd, file.hunks[number]) if not start else []
        hunks.append({"header": hunk.header, "heading": hunk.heading, "stretches": stretches, "odd": said})
    return hunks


def _numbered(file: File, first: int, count: int) -> Iterator[tuple[int, int, HunkRows]]:
    """Return each hunk of a window with its number in the file and the place of its first row in the hunk."""
    drawn = zip(drawn_hunks(file, first, count), file_rows(file, first=first, count=count), strict=True)
    for (number, start, _), rows in drawn:
        yield number, start, rows


def _line(
    reading: Reading,
    file: File,
    row: Row,
    at_line: dict[str, list[tuple[str, str]]],
    moved: dict[tuple[int, int], Move | Respacing],
    place: tuple[int, int],
) -> Line:
    # Marks speak of added lines by their new number; a deleted line has none.
    notes = list(at_line.get(row.new, [])) if row.kind in {"add", "other"} else []
    css = ""
    if item := moved.get(place):
        css = " is-moved" if isinstance(item, Move) else " is-respaced"
        if (place[0], place[1] - 1) not in moved:  # said once, where the block begins
            notes.append(("moved" if isinstance(item, Move) else "blanks only", item.explanation))
    said, before = (
        reading.comments.get((file.path, side, int(number)), []) if number else []
        for side, number in ((Side.NEW, row.new), (Side.OLD, row.old))
    )
    anchor = f"{file.key}-{row.place}"
    here = None
    if row.place and anchor == reading.composing:
        side, line = (Side.NEW, row.new) if row.new else (Side.OLD, row.old)
        here = {"file": file.path, "line": line, "side": side, "anchor": anchor}
    whole = _whole(reading, file, place) if CUT in row.html else ""
    return Line(row, css, [*notes, *odd.of_row(reading.odd, file, place)], said, before, here, whole)


def _whole(reading: Reading, file: File, place: tuple[int, int]) -> str:
    """Return the address at which a line is read as sent; in a context hunk, that of its hunk."""
    number, line = place
    hunk = file.hunks[number]
    before = sum(map(len, file.header_lines)) + sum(len(one.to_bytes()) for one in file.hunks[:number])
    if hunk.form != "context":
        before += len(hunk.header) + sum(map(len, hunk.raw_lines[:line]))
    return f"{reading.text}{file.key}?from={before}"


def _warns(mark: Mark) -> bool:
    """Tell whether a mark asks for a look; those about bytes and characters all do."""
    return not isinstance(mark, ScopeMark) or mark.severity == "warn"
