"""Hunks of context diffs (`diff -c`): an old half, a divider, a new half. Other forms are elsewhere.

Source: GNU diffutils manual, "Detailed Description of Context Format".
"""

import re
from collections.abc import Iterator

from approvals.diff.hunks import HunkReading
from approvals.diff.source import Source
from approvals.diff.structure import ADD, CONTEXT, DELETE, DIVIDER, EATEN, NOTE, OTHER, STRAY, Hunk, Line, decoded

# GNU patch wants eight stars, and takes the first digits of a line for its range whatever stands around them.
_STARS = b"********"
_NUMBER = rb"[^\d\n]*+(?:0(?=\d))*+(\d{1,15})"
_RANGE = _NUMBER + rb"(?:,%b)?" % _NUMBER
_OLD_RANGE = re.compile(rb"\*(?!\*{7})" + _RANGE)
_NEW_RANGE = re.compile(rb"--" + _RANGE)


def is_context_header(source: Source, position: int) -> bool:
    """Tell whether a context hunk opens here: a row of stars, then the old range behind three."""
    return is_next_context_header(source, position) and source.at(_after_comments(source, position + 1)).startswith(
        b"***"
    )


def is_next_context_header(source: Source, position: int) -> bool:
    """Tell whether a context hunk opens right behind another one: there one star before the old range is enough."""
    if not source.at(position).startswith(_STARS):
        return False
    return _OLD_RANGE.match(source.at(_after_comments(source, position + 1))) is not None


def read_context(source: Source, position: int) -> HunkReading:
    """Read the context hunk whose row of stars stands at `position`. A half without changes may be missing."""
    lines = source.lines
    first = _after_comments(source, position + 1)
    old_start, old_count = _range(_OLD_RANGE.match(source.at(first)))
    codes = bytearray()
    place = _read_half(source, first + 1, old_count, DELETE, codes)
    after = _after_comments(source, place)
    if source.at(after) == b"\n":  # one empty line before the divider is passed over
        after = _after_comments(source, after + 1)
    divider = _NEW_RANGE.match(source.at(after))
    new_start, new_count = _range(divider)
    if divider:
        left_out = _may_be_left_out(lines[first + 1 : place], codes, new_count) and _is_left_out(
            source, after, new_count
        )
        codes.extend(bytes([STRAY]) * (after - place))
        codes.append(DIVIDER)
        place = after + 1
        if not left_out:
            place = _read_half(source, place, new_count, ADD, codes)
    for unanswered in _unanswered(lines[first + 1 : place], codes):
        codes[unanswered] = OTHER
    hunk = Hunk(
        "context",
        position + 1,
        b"".join(lines[position : first + 1]),
        decoded(lines[position].lstrip(b"*")[:400].strip()),
        old_start,
        old_count,
        new_start,
        new_count,
        2,
        tuple(lines[first + 1 : place]),
        bytes(codes),
    )
    return HunkReading(hunk, place, 0)


def _after_comments(source: Source, position: int) -> int:
    """Return where the next line stands that GNU patch does not pass over."""
    while source.at(position).startswith(b"#"):
        position += 1
        if not position & 0xFFF:
            source.check_budget()
    return position


def _may_be_left_out(old_lines: list[bytes], codes: bytes | bytearray, new_count: int | None) -> bool:
    """Tell whether GNU patch can make the new half from the old one: as many lines stay and none changes."""
    if any(line.startswith(b"!") for line in old_lines):
        return False
    ends_changed = codes[-1:] not in (bytes((CONTEXT,)), bytes((EATEN,)))
    return new_count == codes.count(CONTEXT) + codes.count(EATEN) or (new_count == 1 and ends_changed)


def _is_left_out(source: Source, divider: int, new_count: int | None) -> bool:
    """Tell whether the new half is not there: GNU patch wants it whole or changing something, and otherwise reads what
    stands behind the divider anew, as words in which the next change may begin."""
    at = divider
    for _ in range(new_count or 0):
        line = source.at(at := _after_comments(source, at + 1))
        if line[:1] in (b"+", b"!"):
            return False
        if line[:1] not in (b" ", b"-") or line[1:2] not in (b" ", b"\t"):
            return True
        if not at & 0xFFF:
            source.check_budget()
    return False


def _unanswered(lines: list[bytes], codes: bytes | bytearray) -> Iterator[int]:
    """Return where lines marked `!` stand for which the other half has none at this place: GNU patch keeps such an old
    line and leaves such a new one out, and says nothing where they are the last ones."""
    halves: tuple[dict[tuple[int, int], list[int]], ...] = ({}, {})
    side = unchanged = run = 0
    inside = False
    for place, (raw, code) in enumerate(zip(lines, codes, strict=True)):
        if code in (NOTE, STRAY):
            continue
        if raw.startswith(b"!"):
            run += not inside
            halves[side].setdefault((unchanged, run), []).append(place)
        elif code == DIVIDER:
            side, unchanged, run = 1, 0, 0
        elif code in (CONTEXT, EATEN):
            unchanged, run = unchanged + 1, 0
        inside = raw.startswith(b"!")
    for one, other in (halves, halves[::-1]):
        for key in one.keys() - other.keys():
            yield from one[key]


def announced_wrongly(hunk: Hunk) -> bool:
    """Tell whether a half has another number of lines than its range says; of one that is missing, the unchanged lines
    of the other count."""
    halves = hunk.codes.translate(None, bytes((NOTE, STRAY))).partition(bytes((DIVIDER,)))[::2]
    announced = (hunk.old_count, hunk.new_count)
    for half, other, count in zip(halves, halves[::-1], announced, strict=True):
        lines = len(half) or other.count(CONTEXT) + other.count(EATEN)
        if count is not None and lines != count:
            return True
    return False


def merged(hunk: Hunk) -> list[Line]:
    """Return the lines of a context hunk in the order of a unified one; the divider is left out."""
    halves: tuple[list[Line], list[Line]] = ([], [])
    side = 0
    for line, code in zip(hunk.lines, hunk.codes, strict=True):
        if code == DIVIDER:
            side = 1
        else:
            halves[side].append(line)
    old, new = halves
    if not old or not new:
        return _renumbered(old or new, hunk, have_old=bool(old))
    result: list[Line] = []
    at_old = at_new = 0
    while at_old < len(old) or at_new < len(new):
        if at_old < len(old) and old[at_old].kind != "context":
            result.append(old[at_old])
            at_old += 1
        elif at_new < len(new) and new[at_new].kind != "context":
            result.append(new[at_new])
            at_new += 1
        else:
            left = old[at_old] if at_old < len(old) else None
            right = new[at_new] if at_new < len(new) else None
            result.append(_joined(left, right))
            at_old, at_new = at_old + 1, at_new + 1
    return result


def _range(match: re.Match[bytes] | None) -> tuple[int | None, int | None]:
    """Return start and count of `first,last`; a single number is one line, and 0 none."""
    if match is None:
        return None, None
    first = int(match[1])
    last = int(match[2]) if match[2] else first
    return first, 0 if last == 0 else max(0, last - first + 1)


def _read_half(source: Source, position: int, count: int | None, changed: int, codes: bytearray) -> int:
    """Take the lines of one half, `changed` being what `!` means in it; return the position after them."""
    start, owed = len(codes), count or 0
    while position < len(source.lines):
        line = source.lines[position]
        if line.startswith(b"\\") and len(codes) > start:
            codes.append(NOTE)
        elif line.startswith(b"#") and owed > 0:
            codes.append(STRAY)
        elif owed <= 0 or (code := _code(line, changed)) is None:
            break
        else:
            codes.append(code)
            owed -= 1
        position += 1
        if not position & 0xFFF:
            source.check_budget()
    if codes.count(STRAY, start) == len(codes) - start:  # comments alone are no half
        position -= len(codes) - start
        del codes[start:]
    while owed > 0 and len(codes) > start and codes[-1] == EATEN and not source.lines[position - 1].strip():
        codes.pop()
        position -= 1
    return position


def _code(line: bytes, changed: int) -> int | None:
    sign, gap = line[:1], line[1:2]
    if gap in b" \r\n" and sign in (b"!", b"-" if changed == DELETE else b"+"):
        return changed
    if sign == b" " and gap in b" \r\n":
        return CONTEXT
    if sign in (b" ", b"!", b"-", b"+") and not line.startswith(b"--"):
        return OTHER  # GNU patch takes it for a line of the hunk, of either half; only a blank is its own to take off
    return EATEN if sign in b"\t\r\n" else None


def _renumbered(half: list[Line], hunk: Hunk, have_old: bool) -> list[Line]:
    """Number both sides of a hunk of which only one half is written (the other has no changes of its own)."""
    number = hunk.new_start if have_old else hunk.old_start
    result = []
    for line in half:
        if line.kind != "context" or number is None:
            result.append(line)
            continue
        old_no, new_no = (line.old_no, number) if have_old else (number, line.new_no)
        result.append(Line(line.kind, line.raw, line.text, old_no, new_no, line.ending))
        number += 1
    return result


def _joined(left: Line | None, right: Line | None) -> Line:
    """Make one line of the same context line in both halves."""
    shown = left or right
    assert shown is not None, "one of the halves has a line left"
    return Line(
        shown.kind,
        shown.raw,
        shown.text,
        left.old_no if left else None,
        right.new_no if right else None,
        shown.ending,
    )
