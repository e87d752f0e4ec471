"""Hunks of combined diffs (`diff --cc`, `@@@`): one sign a parent. Other forms are elsewhere.

Source: git-diff(1), "Combined diff format".
"""

import re

from approvals.diff.hunks import HunkReading
from approvals.diff.source import Source
from approvals.diff.structure import ADD, CONTEXT, DELETE, EATEN, NOTE, Hunk, decoded

_HEADER = re.compile(rb"(@{3,}) ((?:-\d{1,15}(?:,\d{1,15})? )+)\+(\d{1,15})(?:,(\d{1,15}))? *@*(.*)", re.DOTALL)
_RANGE = re.compile(rb"-(\d+)(?:,(\d+))?")
_SIGNS = frozenset(b" +-")


def is_combined_header(line: bytes) -> bool:
    """Tell whether a line opens a combined hunk."""
    return line.startswith(b"@@@") and _HEADER.match(line[:1000]) is not None


def read_combined(source: Source, position: int) -> HunkReading:
    """Read the hunk whose `@@@` line stands at `position`. Old numbers are those of the first parent."""
    match = _HEADER.match(source.lines[position][:1000])
    assert match is not None, "read_combined() is called at a combined header only"
    ranges = [(int(start), int(count or b"1")) for start, count in _RANGE.findall(match[2])]
    new_count = int(match[4] or b"1")
    codes, end = _read_lines(source, position + 1, [count for _, count in ranges], new_count)
    hunk = Hunk(
        "combined",
        position + 1,
        source.lines[position],
        decoded(match[5][:400].strip()),
        ranges[0][0],
        ranges[0][1],
        int(match[3]),
        new_count,
        len(ranges),
        tuple(source.lines[position + 1 : end]),
        codes,
    )
    return HunkReading(hunk, end, 0)


def _read_lines(source: Source, position: int, owed: list[int], new: int) -> tuple[bytes, int]:
    """Take lines until every parent and the result have what was announced, or no line of a hunk follows."""
    codes, width = bytearray(), len(owed)
    while position < len(source.lines) and (new > 0 or max(owed) > 0 or source.lines[position].startswith(b"\\ ")):
        line = source.lines[position]
        signs = line[:width]
        if line.startswith(b"\\ "):
            codes.append(NOTE)
        elif not line.strip():
            codes.append(EATEN)
            new, owed = new - 1, [count - 1 for count in owed]
        elif len(signs) < width or not _SIGNS.issuperset(signs):
            break
        elif b"-" in signs:
            codes.append(DELETE)
            owed = [count - (sign == DELETE) for count, sign in zip(owed, signs, strict=True)]
        else:
            codes.append(ADD if b"+" in signs else CONTEXT)
            new -= 1
            owed = [count - (sign == CONTEXT) for count, sign in zip(owed, signs, strict=True)]
        position += 1
        if not position & 0xFFF:
            source.check_budget()
    return bytes(codes), position
