"""Unified hunks: what their lines are and where one ends. Context and combined hunks have modules of their own.

The format is POSIX `diff -u` as GNU patch and git write and read it (git-diff(1), "Generating patch text with -p").
Counts guide the reading; where content contradicts them, content wins and a warning says so.
"""

import re
from dataclasses import dataclass
from typing import Final

from approvals.diff.source import Source
from approvals.diff.structure import ADD, CONTEXT, DELETE, EATEN, NOTE, OTHER, Hunk, decoded

# Longer ones are no line numbers, and int() has a limit; zeros before a number are passed over as tools do.
_RANGE = rb"(?:0(?=\d))*+(\d{1,15})(?:,(?:0(?=\d))*+(\d{1,15}))?"
_UNIFIED = re.compile(rb"@@ ++-" + _RANGE + rb" *+\+" + _RANGE + rb"(?: *+@@(.{0,1000}))?", re.DOTALL)
_SIGNATURE: Final = re.compile(rb"(?:git version |[A-Za-z][A-Za-z-]* )?v?\d+\.\d[\w.()+ :-]*$|GitLab$|cgit\b.*$")
_STARTS: Final = (b"diff --git ", b"diff --cc ", b"diff --combined ", b"diff -", b"Index: ", b"From ", b"Only in ") + (
    b"Binary files ",
    b"GIT binary patch",
    b"@@",
)
_HEADING_LIMIT = 400
_UNKNOWN = 1 << 60  # the count of a hunk without numbers: only what follows ends it
_COMMENT: Final = ord("#")
_NOISE_LIMIT = 3  # foreign lines in a row that are taken for wrapped lines; more end the hunk


@dataclass(slots=True)
class HunkReading:
    """A hunk and what was odd about it. `excess` counts the changed lines after those announced."""

    hunk: Hunk
    next: int
    excess: int


@dataclass(slots=True)
class _Body:
    """Lines taken so far: codes, the position after them, and what is left of the announced counts."""

    codes: bytearray
    position: int
    old: int
    new: int


def is_hunk_header(line: bytes) -> bool:
    """Tell whether a line opens a unified hunk and has its numbers."""
    return line.startswith(b"@@") and _UNIFIED.match(line) is not None


def is_footer(source: Source, position: int) -> bool:
    """Tell whether the mail signature of git format-patch (`-- `, a version) stands here and not a deleted `- `.

    Mail tools eat the trailing blank. The version must follow without a sign of a hunk before it, and after it the text
    or the mail must end.
    """
    lines = source.lines
    if lines[position].rstrip(b"\r\n") not in (b"-- ", b"--") or position + 1 >= len(lines):
        return False
    if not _SIGNATURE.match(lines[position + 1][:200].rstrip()):
        return False
    after = next((line for line in lines[position + 2 : position + 8] if line.strip()), b"From ")
    return after[0] not in b" \t+-@\\" or after.startswith(b"--- ")


def is_file_header(source: Source, position: int) -> bool:
    """Tell whether a new file, mail or hunk starts here, whatever the counts of the hunk before promised."""
    line = source.lines[position]
    if line.startswith(b"*** "):
        return source.at(position + 1).startswith(b"--- ")
    return line.startswith(_STARTS)


def read_unified(source: Source, position: int) -> HunkReading:
    """Read the hunk whose `@@` line stands at `position`; numbers may be missing there."""
    header = source.lines[position]
    match = _UNIFIED.match(header)
    old_start, old_count, new_start, new_count = _numbers(match)
    body = _Body(bytearray(), position + 1, _UNKNOWN, _UNKNOWN)
    if old_count is not None and new_count is not None:
        body.old, body.new = old_count, new_count
    _read_announced(source, body)
    reached = body.old <= 0 and body.new <= 0
    _give_back(source, body, reached)
    excess = _read_excess(source, body) if reached else 0
    heading = match[5] if match else header[:1000].strip(b"@\r\n ")
    hunk = Hunk(
        "unified",
        position + 1,
        header,
        decoded((heading or b"")[:_HEADING_LIMIT].strip()),
        old_start,
        old_count,
        new_start,
        new_count,
        1,
        tuple(source.lines[position + 1 : body.position]),
        bytes(body.codes),
    )
    return HunkReading(hunk, body.position, excess)


def _numbers(match: re.Match[bytes] | None) -> tuple[int | None, int | None, int | None, int | None]:
    if match is None:
        return None, None, None, None
    old_start, old_count, new_start, new_count = match[1], match[2], match[3], match[4]
    return int(old_start), int(old_count or b"1"), int(new_start), int(new_count or b"1")


def _read_announced(source: Source, body: _Body) -> None:
    """Take lines until both counts are used up or something else clearly begins."""
    lines, codes, position, end = source.lines, body.codes, body.position, len(source.lines)
    old, new, noise = body.old, body.new, 0
    if (plain := source.plain_end(position, old, new)) is not None:
        codes += source.signs[position:plain]
        old, new, position = 0, 0, plain
    while (old > 0 or new > 0) and position < end:
        line = lines[position]
        sign = line[0]
        if sign == CONTEXT:
            old, new = old - 1, new - 1
        elif sign == ADD:
            new -= 1
        elif sign == DELETE:
            if line.startswith(b"--") and _ends_before(source, position, old, new):
                break
            old -= 1
        elif sign in b"\t\r\n":
            old, new, sign = old - 1, new - 1, EATEN
        elif line.startswith(b"\\ "):
            sign = NOTE
        elif noise >= _NOISE_LIMIT or is_file_header(source, position):
            break
        else:
            sign = OTHER
        if line[0] != _COMMENT:  # GNU patch passes over it and reads on
            noise = noise + 1 if sign == OTHER else 0
        codes.append(sign)
        position += 1
        if not position & 0xFFF:
            source.check_budget()
    body.position, body.old, body.new = position, old, new


def _ends_before(source: Source, position: int, old: int, new: int) -> bool:
    """Tell whether a line with two dashes, still inside the counts, is a mail footer or the next file's header.

    `--- x` is the last deleted line if just that one is still owed; with `+++ y` and `@@` behind it, both are changed
    lines before the next hunk if just those two are. Of a footer that is owed `agreement` says what tools make.
    """
    if is_footer(source, position):
        return True
    return (
        source.lines[position].startswith(b"--- ")
        and source.at(position + 1).startswith(b"+++ ")
        and source.at(position + 2).startswith(b"@@")
        and (old, new) not in ((1, 1), (1, 0))
    )


def _give_back(source: Source, body: _Body, reached: bool) -> None:
    """Leave trailing foreign lines, and blank ones where the counts were not reached, to the text after the hunk."""
    codes = body.codes
    while codes and (
        codes[-1] == OTHER or (not reached and codes[-1] == EATEN and not source.lines[body.position - 1].strip())
    ):
        codes.pop()
        body.position -= 1


def _read_excess(source: Source, body: _Body) -> int:
    """Take changed lines that follow although the counts are used up; return how many.

    git and patch skip them without a word, so the reviewer must see them. Context is taken only when a change follows.
    """
    lines, end, eats = source.lines, len(source.lines), EATEN in body.codes
    kept, kept_at, position, excess = len(body.codes), body.position, body.position, 0
    while position < end:
        line = lines[position]
        sign = line[0]
        if sign in (ADD, DELETE):
            if _is_header_pair(source, position) or line.rstrip(b"\r\n") in (b"---", b"-- ", b"--"):
                break
            excess += 1
        elif sign in b"\t\r\n" and eats:
            sign = EATEN
        elif line.startswith(b"\\ "):
            sign = NOTE
        elif sign != CONTEXT:
            break
        body.codes.append(sign)
        position += 1
        if sign in (ADD, DELETE) or (sign == NOTE and kept_at == position - 1):
            kept, kept_at = len(body.codes), position
        if not position & 0xFFF:
            source.check_budget()
    del body.codes[kept:]
    body.position = kept_at
    return excess


def _is_header_pair(source: Source, position: int) -> bool:
    """Tell whether `--- ` and `+++ ` here are a file header, in full or with one half lost."""
    line, after = source.lines[position], source.at(position + 1)
    if line.startswith(b"--- "):
        return after.startswith((b"+++ ", b"@@"))
    return line.startswith(b"+++ ") and after.startswith(b"@@")
