"""Turns a parsed file into rows for the template, unified and side by side. All markup of a line's text is made here.

Nothing of a patch reaches the page unescaped and no character stays invisible. Strings named `html` are HTML, and so
are a hunk's `header` and `heading`; templates mark them safe.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from html import escape
from itertools import islice, zip_longest

from approvals.diff.context_hunks import merged
from approvals.diff.highlight import Highlighter, Piece
from approvals.diff.invisible import INVISIBLE, drawn
from approvals.diff.structure import File, Hunk, Line, decoded
from approvals.diff.words import Range, Words

LONGEST_SHOWN = 2_000  # characters of a line

_DRAWN = 60  # characters of markup that draw an invisible one
_CONTROLS = bytes({*range(32), 127} - {9, 10, 13})

_KINDS = {"context": "ctx", "add": "add", "delete": "del", "note": "note", "other": "other"}
_GLYPHS = {"add": "+", "delete": "−"}


@dataclass(frozen=True, slots=True)
class Row:
    """One line of a diff table. `kind` ends the CSS class (`is-ctx`); numbers are text, empty where there is none."""

    kind: str
    old: str
    new: str
    glyph: str
    html: str

    @property
    def place(self) -> str:
        """Return where one speaks of this line: `n12` in the new file, `o12` for a deleted one, '' for neither."""
        return f"n{self.new}" if self.new else f"o{self.old}" if self.old else ""


Sides = tuple[Row | None, Row | None]


@dataclass(frozen=True, slots=True)
class HunkRows:
    """One hunk for the template: `header` and `heading`, rows in order, and the same rows side by side."""

    header: str
    heading: str
    rows: tuple[Row, ...]
    pairs: tuple[Sides, ...]


def file_rows(file: File, *, first: int = 0, count: int | None = None) -> tuple[HunkRows, ...]:
    """Return the rows of a file, hunk by hunk: all lines, or `count` of them from the line numbered `first` (from 0).

    Lines are counted over all hunks as `File.line_count` does. Hunks of which nothing is wanted are left out.
    """
    highlighter, words = Highlighter(file), Words()
    result = []
    for number, start, end in drawn_hunks(file, first, count):
        hunk = file.hunks[number]
        lines = list(islice(merged(hunk) if hunk.form == "context" else hunk.walk(), start, end))
        result.append(_hunk_rows(hunk, lines, highlighter, words, file.mixed_endings))
    return tuple(result)


def drawn_hunks(file: File, first: int, count: int | None) -> Iterator[tuple[int, int, int]]:
    """Return the hunks that a window of a file draws: the number of each, its first line and the one after its last.

    A hunk without a line stands where it is met, the last of a file at the end of the last window.
    """
    total = file.line_count
    last = total if count is None else min(first + count, total)
    before = 0
    for number, hunk in enumerate(file.hunks):
        size = len(hunk.codes)
        start, end = max(first - before, 0), min(last - before, size)
        met = first <= before < last or (before == last == total and first <= last)
        if start < end or (not size and met):
            yield number, start, end
        before += size


def weight(raw: bytes) -> int:
    """Return about how many characters of markup a line of a patch costs without its colours."""
    raw = raw[: 4 * LONGEST_SHOWN]
    if raw.isascii():
        return min(len(raw), LONGEST_SHOWN) + _DRAWN * (len(raw) - len(raw.translate(None, _CONTROLS)))
    text = decoded(raw)[:LONGEST_SHOWN]
    return len(text) + _DRAWN * len(INVISIBLE.findall(text))


def file_weight(file: File) -> int:
    """Return about how many characters of markup all lines of a file cost."""
    return sum(weight(raw) for hunk in file.hunks for raw in hunk.raw_lines)


def text_html(text: str, limit: int = LONGEST_SHOWN) -> str:
    """Return HTML for any text of a patch (a path, a heading, a line): escaped, the invisible drawn, cut at a limit."""
    return line_html([("", text)], (), limit)


def line_html(pieces: Sequence[Piece], ranges: Sequence[Range], limit: int = LONGEST_SHOWN) -> str:
    """Return HTML for coloured pieces with `<mark>` around the ranges; says how many characters were cut off."""
    html: list[str] = []
    position, length, marked = 0, sum(len(text) for _, text in pieces), False
    for css, text in pieces:
        for start, end, inside in _cuts(position, min(position + len(text), limit), ranges):
            if inside != marked:
                html.append("<mark>" if inside else "</mark>")
                marked = inside
            part = _escaped(text[start - position : end - position])
            html.append(f'<span class="{css}">{part}</span>' if css else part)
        position += len(text)
    if marked:
        html.append("</mark>")
    if length > limit:
        html.append(f'<span class="cut">… {length - limit:,} more character{"" if length - limit == 1 else "s"}</span>')
    return "".join(html)


def _cuts(start: int, end: int, ranges: Sequence[Range]) -> list[tuple[int, int, bool]]:
    """Cut a stretch of text where a range begins or ends; say of each part whether it is inside one."""
    cuts = []
    for first, last in ranges:
        first, last = max(first, start), min(last, end)
        if first < last:
            if start < first:
                cuts.append((start, first, False))
            cuts.append((first, last, True))
            start = last
    if start < end:
        cuts.append((start, end, False))
    return cuts


def _escaped(text: str) -> str:
    return INVISIBLE.sub(lambda match: drawn(match[0]), escape(text))


def _hunk_rows(hunk: Hunk, lines: Sequence[Line], highlighter: Highlighter, words: Words, endings: bool) -> HunkRows:
    order = _side_by_side(lines, words)
    marks: dict[int, list[Range]] = {}
    for left, right in order:
        if left is not None and right is not None and left != right:
            marks[left], marks[right] = words.marks(lines[left].text, lines[right].text)
    coloured = highlighter.hunk(lines)
    rows = tuple(
        _row(line, pieces, marks.get(index, []), endings)
        for index, (line, pieces) in enumerate(zip(lines, coloured, strict=True))
    )
    pairs = tuple((None if i is None else rows[i], None if j is None else rows[j]) for i, j in order)
    return HunkRows(text_html(_header(hunk)), text_html(hunk.heading, 200), rows, pairs)


def _header(hunk: Hunk) -> str:
    """Return the ranges of a hunk as its header writes them, without the heading."""
    text = decoded(hunk.header).rstrip("\r\n")
    if hunk.form == "context":
        return text.partition("\n")[2].strip()
    at = text.find("@@", 2)
    return text if at < 0 or hunk.old_start is None else text[: at + 2 + (hunk.sign_width - 1)]


def _row(line: Line, pieces: list[Piece], ranges: list[Range], endings: bool) -> Row:
    html = line_html(pieces, ranges)
    if endings and line.ending == "\r\n":
        html += drawn("\r")
    return Row(
        _KINDS[line.kind],
        "" if line.old_no is None else str(line.old_no),
        "" if line.new_no is None else str(line.new_no),
        _GLYPHS.get(line.kind, ""),
        html,
    )


def _side_by_side(lines: Sequence[Line], words: Words) -> list[tuple[int | None, int | None]]:
    """Return indexes of lines left and right: each run of deleted lines beside the added lines after it."""
    order: list[tuple[int | None, int | None]] = []
    index = 0
    while index < len(lines):
        deleted, after = _run(lines, index, "delete")
        added, after = _run(lines, after, "add")
        if after == index:
            order.append((index, index))
            index += 1
            continue
        paired = words.pairs([lines[i].text for i in deleted], [lines[j].text for j in added])
        for left, right in paired:
            i, j = None if left is None else deleted[left], None if right is None else added[right]
            order.append((i, j))
            order.extend(zip_longest(_notes(lines, i), _notes(lines, j)))
        index = after
    return order


def _run(lines: Sequence[Line], start: int, kind: str) -> tuple[list[int], int]:
    """Return the indexes of lines of one kind from `start` on, passing over their notes, and the index after them."""
    found: list[int] = []
    index = start
    while index < len(lines) and (lines[index].kind == kind or (found and lines[index].kind == "note")):
        if lines[index].kind == kind:
            found.append(index)
        index += 1
    return found, index


def _notes(lines: Sequence[Line], index: int | None) -> Iterator[int]:
    """Return the indexes of the notes about a line, as `No newline at end of file`."""
    while index is not None and index + 1 < len(lines) and lines[index + 1].kind == "note":
        index += 1
        yield index
