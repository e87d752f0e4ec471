"""What is odd about a line of the patch, said where that line is drawn and not only in the list above the diff."""

from collections import defaultdict
from collections.abc import Iterator
from typing import Final

from approvals.diff.structure import Diff, File, Hunk

Odd = dict[int, list[str]]  # sentences by the line of the patch, counted from 1
_MOST: Final = 24  # sentences at one header or heading


def by_line(diff: Diff) -> Odd:
    """Return the warnings that have a line, those too many for the list too."""
    found: Odd = defaultdict(list)
    for warning in (*diff.warnings, *diff.beyond):
        if warning.line is not None:
            found[warning.line].append(warning.message)
    return found


def of_header(odd: Odd, file: File) -> list[str]:
    """Return what is odd about the lines before a file's first hunk."""
    return _between(odd, file.line, file.line + len(file.header_lines))


def of_heading(odd: Odd, hunk: Hunk) -> list[str]:
    """Return what is odd about a hunk's header; of a context hunk, whose rows are merged, about all of it."""
    return _between(odd, hunk.line, hunk.first_line + (len(hunk.codes) if hunk.form == "context" else 0))


def of_row(odd: Odd, file: File, place: tuple[int, int]) -> Iterator[tuple[str, str]]:
    """Return title and sentence of what is odd about a row: a hunk's number in its file, a line's in the hunk."""
    hunk = file.hunks[place[0]]
    if hunk.form != "context":
        for sentence in odd.get(hunk.first_line + place[1], ()):
            yield "odd", sentence


def _between(odd: Odd, first: int, last: int) -> list[str]:
    found = [sentence for line in range(first, last) for sentence in odd.get(line, ())]
    if len(found) > _MOST:
        found[_MOST:] = [f"{len(found) - _MOST:,} more things are odd here."]
    return found
