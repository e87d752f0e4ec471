"""What git apply reads in a patch, and the line at which it refuses the whole of it. Changes nothing.

The behaviour was measured with git 2.39 and is held against the tool in the tests. `git am` hands the same reader what
follows the message of each mail.
"""

import re
from dataclasses import dataclass, field
from typing import Final

from approvals.diff.paths import split_pair, split_stamp
from approvals.diff.source import Source
from approvals.diff.structure import without_ending

_COUNTED: Final = rb"\d++(?:,(?:0(?=\d))*+(\d{1,18}))?"
_FRAGMENT = re.compile(rb"@@ -" + _COUNTED + rb" \+" + _COUNTED + rb" @@")
_NULL = re.compile(rb"(?:---|\+\+\+) /dev/null(?:\s|$)")
_ZERO = re.compile(rb"(1969-12-31|1970-01-01) ([0-2]\d):([0-5]\d):00(?:\.0+)? ([-+])([0-2]\d):?([0-5]\d)\n")
_EXTENDED: Final = (
    b"--- ",
    b"+++ ",
    b"old mode ",
    b"new mode ",
    b"deleted file mode ",
    b"new file mode ",
    b"copy from ",
    b"copy to ",
    b"rename old ",
    b"rename new ",
    b"rename from ",
    b"rename to ",
    b"similarity index ",
    b"dissimilarity index ",
    b"index ",
)


@dataclass(slots=True)
class GitFile:
    """One file as git reads it: where its header stands, and its hunks as (first line, line after the last).

    `absent` is the side that does not exist by the header: `old` for a new file, `new` for a deleted one. `other` is
    where a `diff --git` line stands that nothing follows: git keeps its name for the next header of its own.
    """

    start: int
    git: bool
    end: int = 0
    absent: str = ""
    hunks: list[tuple[int, int]] = field(default_factory=list)
    other: int | None = None


@dataclass(slots=True)
class GitReading:
    """All files in order; `refused_at` and `why` say where git refuses everything (None where it does not)."""

    files: list[GitFile] = field(default_factory=list)
    refused_at: int | None = None
    why: str = ""


class _Refused(Exception):
    """Git applies nothing of this patch."""


def read_as_git(source: Source) -> GitReading:
    """Return what `git apply` would read in these lines, whether or not it fits the tree."""
    reading, position = GitReading(), 0
    try:
        while (file := _find(source, position)) is not None:
            _read_hunks(source, file)
            reading.files.append(file)
            position = file.end
    except _Refused as refusal:
        reading.refused_at, reading.why = refusal.args
    return reading


def _find(source: Source, position: int) -> GitFile | None:
    """Return the next file header; a hunk on the way that belongs to none is an error."""
    lines = source.lines
    other: int | None = None
    for at in range(position, len(lines)):
        if not at & 0xFFF:
            source.check_budget()
        line = lines[at]
        if line.startswith(b"@@ -"):
            if _FRAGMENT.match(line):
                raise _Refused(at, "a hunk stands here without a file header")
        elif line.startswith(b"diff --git "):
            if file := _git_header(source, at):
                file.other = other
                return file
            other = at if other is None else other
        elif line.startswith(b"--- ") and _is_plain_header(source, at):
            return GitFile(at, False, at + 2, _absent(line, source.at(at + 1)))
    return None


def _is_plain_header(source: Source, at: int) -> bool:
    """Tell whether both name lines and a hunk stand here, which is all git takes for a diff that is not its own."""
    signs = (b"--- ", b"+++ ", b"@@ -")
    return all(source.at(at + place).startswith(sign) for place, sign in enumerate(signs))


def _absent(old: bytes, new: bytes) -> str:
    """Return the side on which a file of a plain diff does not exist: `/dev/null`, or else the time zero."""
    sides = (("old", old), ("new", new))
    return next((side for tells in (_is_null, _is_of_time_zero) for side, line in sides if tells(line)), "")


def _is_null(line: bytes) -> bool:
    return _NULL.match(line) is not None


def _is_of_time_zero(line: bytes) -> bool:
    """Tell whether the time behind the last tab of a name line is zero, in the one form that git knows."""
    match = _ZERO.fullmatch(line.rpartition(b"\t")[2])
    if match is None:
        return False
    day, hour, minute, sign, zone_hour, zone_minute = match.groups()
    minutes = 60 * int(hour) + int(minute) - int(sign + b"1") * (60 * int(zone_hour) + int(zone_minute))
    return minutes == (24 * 60 if day == b"1969-12-31" else 0)


def _git_header(source: Source, at: int) -> GitFile | None:
    """Return the file of a `diff --git` line; one that nothing of git's own follows is no header."""
    end, changes, sides = at + 1, False, _Sides(_common_name(source.lines[at]))
    while (line := source.at(end)).startswith(_EXTENDED):
        changes = changes or not line.startswith((b"similarity", b"dissimilarity", b"index "))
        if not sides.take(without_ending(line)):
            raise _Refused(end, "this line names another file than the lines before it")
        end += 1
    if end == at + 1:
        return None
    if not changes and not line.startswith((b"@@ -", b"GIT binary patch", b"Binary files ", b"Files ")):
        raise _Refused(at, "nothing is changed after this header")
    return GitFile(at, True, end, sides.absent)


def _common_name(line: bytes) -> bytes | None:
    """Return the name of a `diff --git` line, None where its halves differ (a rename says its names later)."""
    pair = split_pair(without_ending(line)[len(b"diff --git ") :])
    old, new = (_stripped(name) for name in pair) if pair else (None, None)
    return old if old == new else None


def _stripped(name: bytes) -> bytes:
    return name.partition(b"/")[2] or name


class _Sides:
    """The two names a git header builds up, to see whether a later line contradicts an earlier one."""

    def __init__(self, common: bytes | None) -> None:
        self.common = common
        self.names: dict[str, bytes | None] = {"old": None, "new": None}
        self.absent = ""

    def take(self, line: bytes) -> bool:
        """Take one line of the header; return whether it fits what was said before."""
        if line.startswith((b"--- ", b"+++ ")):
            side = "old" if line.startswith(b"-") else "new"
            return _is_null(line) if side == self.absent else self._named(side, split_stamp(line[4:])[0])
        if line.startswith(b"new file mode "):
            self.absent, self.names["new"] = "old", self.common
        elif line.startswith(b"deleted file mode "):
            self.absent, self.names["old"] = "new", self.common
        elif line.startswith((b"rename from ", b"rename old ", b"copy from ")):
            self.names["old"] = split_stamp(line.split(b" ", 2)[2])[0]
        elif line.startswith((b"rename to ", b"rename new ", b"copy to ")):
            self.names["new"] = split_stamp(line.split(b" ", 2)[2])[0]
        return True

    def _named(self, side: str, name: bytes) -> bool:
        if self.names[side] is not None:
            return self.names[side] == _stripped(name)
        self.names[side] = _stripped(name)
        return True


def _read_hunks(source: Source, file: GitFile) -> None:
    at = file.end
    while source.at(at).startswith(b"@@ -"):
        begin, at = at, _after_hunk(source, at, file.absent)
        file.hunks.append((begin, at))
    file.end = at
    if not file.hunks and source.at(at).startswith((b"Binary files ", b"Files ")):
        raise _Refused(at, "the content of a binary file is missing")


def _after_hunk(source: Source, at: int, absent: str) -> int:
    match = _FRAGMENT.match(source.at(at))
    if match is None:
        raise _Refused(at, "the line numbers of this hunk cannot be read")
    old, new, begin = int(match[1] or 1), int(match[2] or 1), at
    if (absent == "old" and old) or (absent == "new" and new):
        raise _Refused(at, "the file does not exist on this side, and lines of it are here")
    at += 1
    if (end := source.plain_end(at, old, new)) is not None:
        old, new, at = 0, 0, end
    while old > 0 or new > 0:
        line = source.at(at)
        if not line.endswith(b"\n"):
            raise _Refused(begin, "the hunk is shorter than it says")
        sign = line[:1]
        if sign in b" \n":
            old, new = old - 1, new - 1
        elif sign == b"-":
            old -= 1
        elif sign == b"+":
            new -= 1
        elif not (sign == b"\\" and len(line) >= 12):
            raise _Refused(at, "this line belongs to no hunk")
        if old < 0 or new < 0:
            raise _Refused(at, "the hunk is longer than it says")
        at += 1
        if not at & 0xFFF:
            source.check_budget()
    return at + 1 if source.at(at).startswith(b"\\") and len(source.at(at)) >= 12 else at
