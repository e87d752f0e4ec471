"""The lines of a diff as rows of a table.

A page has hundreds of them, and a template would be too slow. So the rows are composed here; the comments between them
are the template's.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from html import escape
from itertools import groupby
from typing import Any

from django.utils.safestring import SafeString, mark_safe

from approvals.diff.invisible import plainly
from approvals.diff.rows import Row
from approvals.models import Comment

KEPT = 3  # unchanged lines on either side of what is folded between them
FEWEST = 10  # lines that are worth folding
VOID = '<td class="is-void"></td>' * 3


@dataclass(frozen=True, slots=True)
class Line:
    """One row with what belongs to it: `notes` are (title, sentence), `css` the classes beyond its kind.

    `before` are the comments on its old line, `comments` those on its new one; `composing` holds what
    the form asked for here sends along; `whole` is where a line too long to draw is read, '' for others.
    """

    row: Row
    css: str
    notes: list[tuple[str, str]]
    comments: list[Comment]
    before: list[Comment]
    composing: dict[str, Any] | None
    whole: str = ""

    @property
    def talked_of(self) -> bool:
        return bool(self.comments or self.before or self.composing)


Sides = tuple[Line | None, Line | None]


@dataclass(frozen=True, slots=True)
class Stretch:
    """Rows of a hunk down to one that something is said or written at: `old` and `new` are what stands in the last.

    In a unified diff they are the same line; where nothing follows the last row they are None. `folded` is how many
    unchanged lines it has when it has nothing else, and is there to be unfolded.
    """

    html: SafeString
    old: Line | None = None
    new: Line | None = None
    folded: int = 0


@dataclass(frozen=True, slots=True)
class Table:
    """What the rows of one file have in common: the file's key, and the address that asks for a form at a line up to
    that line's own ('' for nobody)."""

    key: str
    ask: str = ""

    def unified(self, lines: Iterable[Line]) -> list[Stretch]:
        """Return one row a line."""
        return list(_stretches((self._row(line), (line, line)) for line in lines))

    def split(self, pairs: Iterable[Sides]) -> list[Stretch]:
        """Return one row a pair, the old file left and the new one right."""
        return list(_stretches((self._pair(*pair), pair) for pair in pairs))

    def _row(self, line: Line) -> str:
        row = line.row
        return (
            f'<tr class="is-{row.kind}{line.css}"{self._id(row)}><td class="diff__ln diff__ln--old">{row.old}</td>'
            f'<td class="diff__ln">{row.new}</td><td class="diff__sign">{row.glyph}</td>'
            f'<td class="diff__code">{self._asking(row)}{row.html}{_whole(line)}{_marks(line)}</td></tr>\n'
        )

    def _pair(self, left: Line | None, right: Line | None) -> str:
        # A line of both files has its address and its form on the right.
        here = self._id(right.row) if right and right.row.new else ""
        alone = bool(left and not left.row.new)
        old = self._side(left, left.row.old, self._id(left.row) if alone else "", alone) if left else VOID
        new = self._side(right, right.row.new, "", bool(right.row.new)) if right else VOID
        return f"<tr{here}>{old}{new}</tr>\n"

    def _side(self, line: Line, number: str, here: str, asks: bool) -> str:
        row = line.row
        return (
            f'<td class="diff__ln is-{row.kind}{line.css}"{here}>{number}</td>'
            f'<td class="diff__sign is-{row.kind}">{row.glyph}</td><td class="diff__code is-{row.kind}{line.css}">'
            f"{self._asking(row) if asks else ''}{row.html}{_whole(line)}{_marks(line)}</td>"
        )

    def _id(self, row: Row) -> str:
        return f' id="{self.key}-{row.place}"' if row.place else ""

    def _asking(self, row: Row) -> str:
        if not self.ask or not row.place:
            return ""
        name = f"line {row.new}" if row.new else f"deleted line {row.old}"
        return f'<a href="{escape(self.ask)}{self.key}-{row.place}" aria-label="Comment on {name}">+</a>'


def _stretches(rows: Iterable[tuple[str, Sides]]) -> Iterator[Stretch]:
    html: list[str] = []
    for quiet, run in groupby(rows, lambda row: _is_quiet(*row[1])):
        lines = list(run)
        folds = quiet and len(lines) >= KEPT + FEWEST + KEPT
        for markup, (old, new) in lines[:KEPT] if folds else lines:
            html.append(markup)
            if (old and old.talked_of) or (new and new.talked_of):
                yield Stretch(_joined(html), old, new)
                html = []
        if folds:
            yield Stretch(_joined(html))
            middle = [markup for markup, _ in lines[KEPT:-KEPT]]
            yield Stretch(_joined(middle), folded=len(middle))
            html = [markup for markup, _ in lines[-KEPT:]]
    if html:
        yield Stretch(_joined(html))


def _is_quiet(old: Line | None, new: Line | None) -> bool:
    """Tell whether a row is an unchanged line that nothing is said or marked at."""
    return old is not None and old is new and old.row.kind == "ctx" and not (old.notes or old.css or old.talked_of)


def _joined(rows: Iterable[str]) -> SafeString:
    return mark_safe("".join(rows))  # noqa: S308  made of rows, see `Table`


def _whole(line: Line) -> str:
    """Return the link to the whole of a line of which only the beginning is drawn."""
    if not line.whole:
        return ""
    return f' <span class="cut"><a class="wholeline" href="{escape(line.whole)}">whole line</a></span>'


def _marks(line: Line) -> str:
    """Return what is to be seen at a line, each explained on hover and by keyboard."""
    return "".join(
        f'<span class="linemark" tabindex="0" role="note" aria-label="{name}: {words}" data-tip="{words}">{name}</span>'
        for name, words in ((escape(title), escape(plainly(sentence))) for title, sentence in line.notes)
    )
