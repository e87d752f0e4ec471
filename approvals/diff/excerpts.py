"""Words and raw parts of a patch in excerpts small enough for a page. Together they are every byte, in order.

An excerpt begins at a byte, so that one endless line is read as a long text is. All markup is made here.
"""

from dataclasses import dataclass
from html import escape
from typing import Final

from approvals.diff.invisible import INVISIBLE, drawn
from approvals.diff.structure import decoded

HEAD_LINES: Final = 12  # stand open on the page of a patch
LINES: Final = 200  # unfold at once
LARGEST: Final = 48_000  # characters of markup in one excerpt: drawn control characters take sixty each
_PIECE: Final = 500  # bytes drawn in one step, so that an excerpt is never much larger than it may be


_KNOWN_HEADER: Final = (
    *(b"diff ", b"index ", b"--- ", b"+++ ", b"*** ", b"old mode ", b"new mode ", b"deleted file mode "),
    *(b"new file mode ", b"similarity index ", b"dissimilarity index ", b"rename ", b"copy ", b"Index: ", b"====="),
    *(b"RCS file: ", b"retrieving revision ", b"mode "),
)
"""How the lines of a file's header begin that the head of the file says in its own way."""


@dataclass(frozen=True, slots=True)
class Excerpt:
    """Bytes from `start` on, as they came (`raw`) and drawn (`html`); `next` is where the following excerpt begins."""

    start: int
    raw: bytes
    html: str
    next: int | None


def excerpt(data: bytes, start: int = 0, *, lines: int = LINES, largest: int = LARGEST) -> Excerpt:
    """Return the excerpt of a text that begins at a byte: up to `lines` lines, or less where they are large."""
    position, size, left = start, 0, lines
    html: list[str] = []
    while position < len(data) and left > 0 and size < largest:
        end = _piece_end(data, position)
        html.append(_drawn(data[position:end]))
        size += len(html[-1])
        left -= data[end - 1] == 0x0A
        position = end
    return Excerpt(start, data[start:position], "".join(html), position if position < len(data) else None)


def lines_in(data: bytes) -> int:
    """Return how many lines a text has, an unended last one included."""
    return data.count(b"\n") + (bool(data) and not data.endswith(b"\n"))


def is_stray(line: bytes) -> bool:
    """Tell whether a line of a file's header is words and no part of a header."""
    return bool(line.strip()) and not line.startswith(_KNOWN_HEADER)


def _piece_end(data: bytes, start: int) -> int:
    """Return where a piece ends: after its line, or in a long line before a character that would be cut."""
    limit = start + _PIECE
    found = data.find(b"\n", start, limit)
    if found >= 0:
        return found + 1
    if limit >= len(data):
        return len(data)
    end = limit
    while end > limit - 3 and data[end] & 0xC0 == 0x80:
        end -= 1
    return limit if data[end] & 0xC0 == 0x80 else end


def _drawn(piece: bytes) -> str:
    """Return the markup of a piece; only the ends of lines, LF and CRLF, are not drawn."""
    text = decoded(piece)
    body = text.removesuffix("\n").removesuffix("\r") if text.endswith("\n") else text
    html = INVISIBLE.sub(lambda match: drawn(match[0]), escape(body))
    return html + text[len(body) :]
