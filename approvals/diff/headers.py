"""What the lines before the first hunk say about a file: names, modes, renames. Where a header starts is for `parse`.

Sources: git-diff(1), "Generating patch text with -p" (extended headers); GNU diffutils manual, "Detailed Unified".
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field, replace

from approvals.diff.paths import is_epoch, split_pair, split_stamp, stripped
from approvals.diff.source import Source
from approvals.diff.structure import STRAY, Change, Hunk, without_ending

SYMLINK, SUBMODULE = "120000", "160000"

_EXTENDED = re.compile(
    rb"(old mode|new mode|deleted file mode|new file mode|copy from|copy to|rename from|rename to|rename old|rename new"
    rb"|similarity index|dissimilarity index|index|mode) (.*)",
    re.DOTALL,
)
# A quote that nothing ends goes on to the end: a search would begin anew at each escaped one in it.
_QUOTED_OR_OPEN = re.compile(rb'"(?:[^"\\]|\\.)*+"?')
_BINARY = re.compile(rb"(?:Binary files|Files) (.{1,4200}) and (.{1,4200}) differ\s*$", re.DOTALL)
_MODE = re.compile(rb"0*([0-7]{6})(?=\s|$)")
_LITERAL = re.compile(rb"(?:literal|delta) \d+\s*$")
_HG_BINARY = re.compile(rb"Binary file (.{1,4200}) has changed\s*$")
_BASE85 = re.compile(rb"[A-Za-z][0-9A-Za-z!#$%&()*+;<=>?@^_`{|}~-]{5,}\s*$")


@dataclass(slots=True)
class Draft:
    """A file while it is read. Names are raw; `source` and `target` stand after `---` and `+++` (`***` and `---`)."""

    start: int
    header: list[bytes] = field(default_factory=list)
    hunks: list[Hunk] = field(default_factory=list)
    excess: list[int] = field(default_factory=list)  # for each hunk, changed lines after the announced ones
    trailer: list[bytes] = field(default_factory=list)
    pair: tuple[bytes, bytes] | None = None
    git: bool = False
    source: bytes | None = None
    target: bytes | None = None
    source_stamp: bytes = b""
    target_stamp: bytes = b""
    moved_from: bytes | None = None
    moved_to: bytes | None = None
    moved: Change | None = None
    index_name: bytes | None = None
    old_mode: str | None = None
    new_mode: str | None = None
    mode_note: Change | None = None
    similarity: int | None = None
    binary: bool = False
    carries_binary: bool = False
    combined: bool = False
    prefixes: frozenset[bytes] = frozenset()  # first folders that other files of the patch show to be none of theirs

    def stray(self, lines: list[bytes]) -> None:
        """Append lines that are part of no hunk to the last hunk, where they stood."""
        last = self.hunks[-1]
        self.hunks[-1] = replace(
            last, raw_lines=(*last.raw_lines, *lines), codes=last.codes + bytes([STRAY]) * len(lines)
        )

    def names(self) -> tuple[bytes | None, bytes | None]:
        """Return the old and new path without prefixes, None where the file does not exist on that side."""
        old, new = self._raw_names()
        old, new = (None if name in (b"/dev/null", b"") else name for name in (old, new))
        if self.moved_from is not None and self.moved_to is not None:
            return self.moved_from, self.moved_to
        alone = {name for name in (self.source, self.target, self.index_name) if name}
        if len(alone) == 1 and self.pair is None and None in (self.source, self.target):  # one line names the file
            name = stripped(alone.pop(), None, None, self.prefixes)[0]
            return name, name
        old, new = stripped(old, new, self._prefixed(), self.prefixes)
        if old and new and old != new and _is_copy_of(new, old):  # `x` and `x.new`: every tool takes the shorter name
            return old, old
        return old, new

    def raw_names(self) -> tuple[bytes, ...]:
        """Return every name the header uses, as written."""
        every = (self.source, self.target, *(self.pair or ()), self.moved_from, self.moved_to, self.index_name)
        return tuple(name for name in every if name and name != b"/dev/null")

    def change(self) -> Change:
        """Return what happens to the file, in one word."""
        if self.moved:
            return self.moved
        if self.mode_note in ("added", "deleted"):
            return self.mode_note
        if not self.git and self.hunks or b"/dev/null" in (self.source, self.target):
            first = self.hunks[0] if self.hunks else None
            if self._absent(self.source, self.source_stamp) and (first is None or first.old_count == 0):
                return "added"
            if self._absent(self.target, self.target_stamp) and (first is None or first.new_count == 0):
                return "deleted"
        return "mode" if self.old_mode != self.new_mode and not self.hunks and not self.binary else "modified"

    def names_disagree(self) -> bool:
        """Tell whether the `diff --git` line and the `---`/`+++` lines name different files, which git refuses."""
        if self.pair is None or not self.git:
            return False
        return any(
            name not in (None, b"/dev/null", said)
            for name, said in zip((self.source, self.target), self.pair, strict=True)
        )

    def sides_differ(self) -> bool:
        """Tell whether the two sides name different files although nothing is renamed."""
        old, new = self.names()
        return None not in (old, new) and old != new and not self.moved and not _is_copy_of(old or b"", new or b"")

    def blank_names(self) -> Iterator[bytes]:
        """Return the names with blanks that no tab ends: git takes the whole line, GNU patch the first word."""
        for line in self.header:
            rest = without_ending(line)[4:]
            names = line.startswith((b"--- ", b"+++ ")) and not rest.startswith(b'"')
            if names and b"\t" not in rest and b" " in rest.strip():  # a time stamp behind a blank too
                yield rest.strip()
        both = self.named_together()
        alone = self.git and self.source is None and self.target is None  # no other line says the names to GNU patch
        if alone and _QUOTED_OR_OPEN.sub(b"", both).count(b" ") > 1:
            yield both

    def named_together(self) -> bytes:
        """Return both names as the `diff --git` line has them."""
        return next((line[11:].strip() for line in self.header if line.startswith(b"diff --git ")), b"")

    def _raw_names(self) -> tuple[bytes | None, bytes | None]:
        if self.source is not None or self.target is not None:
            old = self.source if self.source is not None else self.target
            return old, self.target if self.target is not None else old
        if self.pair is not None:
            old, new = self.pair
            return (None if self.mode_note == "added" else old), (None if self.mode_note == "deleted" else new)
        return self.index_name, self.index_name

    def _prefixed(self) -> bool | None:
        if self.combined or self.pair is None:
            return None
        return self.pair[0] != self.pair[1] if self.git else None

    @staticmethod
    def _absent(name: bytes | None, stamp: bytes) -> bool:
        return name == b"/dev/null" or is_epoch(stamp)


def read_git_header(source: Source, position: int, draft: Draft) -> int:
    """Read a git header (`diff --git`, `--cc`, `--combined`) with its extended lines; return the next position."""
    line = without_ending(source.lines[position])
    draft.git = True
    if line.startswith(b"diff --git "):
        draft.pair = split_pair(line[len(b"diff --git ") :])
    else:
        draft.combined = True
        name = split_stamp(line.split(b" ", 2)[2])[0] if line.count(b" ") > 1 else b""
        draft.pair = (b"a/" + name, b"b/" + name)
    draft.header.append(source.lines[position])
    position += 1
    while (match := _EXTENDED.match(without_ending(source.at(position)))) and _is_of(draft, match[1]):
        _take_extended(draft, match[1], match[2])
        draft.header.append(source.lines[position])
        position += 1
    return position


def take_header(lines: list[bytes], draft: Draft) -> None:
    """Take the lines of git's own header wherever they stand among these, as GNU patch does."""
    draft.header = lines
    for line in map(without_ending, lines):
        if line.startswith(b"diff --git "):
            draft.git, draft.pair = True, split_pair(line[len(b"diff --git ") :])
        elif draft.git and (match := _EXTENDED.match(line)) and _is_of(draft, match[1]):
            _take_extended(draft, match[1], match[2])


def read_names(source: Source, position: int, draft: Draft) -> int:
    """Read a `---`/`+++` (or `***`/`---`) pair, or the one half that is there; return the next position."""
    first, second = (b"*** ", b"--- ") if source.lines[position].startswith(b"*** ") else (b"--- ", b"+++ ")
    if source.at(position).startswith(first):
        draft.source, draft.source_stamp = split_stamp(without_ending(source.lines[position])[4:])
        draft.header.append(source.lines[position])
        position += 1
    if source.at(position).startswith(second):
        draft.target, draft.target_stamp = split_stamp(without_ending(source.lines[position])[4:])
        draft.header.append(source.lines[position])
        position += 1
    return position


def starts_names(source: Source, position: int) -> bool:
    """Tell whether a pair of name lines, or a lone half right before a hunk, stands here."""
    line, after = source.lines[position], source.at(position + 1)
    if line.startswith(b"--- "):
        return after.startswith((b"+++ ", b"@@ -"))
    if line.startswith(b"+++ "):
        return after.startswith(b"@@ -")
    return line.startswith(b"*** ") and after.startswith(b"--- ") and source.at(position + 2).startswith(b"*****")


def read_binary(source: Source, position: int, draft: Draft) -> int:
    """Read `Binary files … differ` or a `GIT binary patch` section, if one stands here; return the next position."""
    line = source.at(position)
    if line.startswith(b"GIT binary patch"):
        draft.binary = draft.carries_binary = True
        end = _end_of_binary(source, position + 1)
        draft.trailer.extend(source.lines[position:end])
        return end
    if is_binary_note(line):
        draft.binary = True
        draft.trailer.append(line)
        if not draft.raw_names() and (match := _BINARY.match(line)):
            draft.source, draft.target = split_stamp(match[1])[0], split_stamp(match[2])[0]
        elif not draft.raw_names() and (match := _HG_BINARY.match(line)):
            draft.index_name = match[1]
        return position + 1
    return position


def is_binary_note(line: bytes) -> bool:
    """Tell whether a line says that binary files differ, as git, GNU diff, Mercurial, Subversion and Fossil say it."""
    if line.startswith(b"Binary file ") and _HG_BINARY.match(line):
        return True
    if line.startswith((b"Binary files ", b"Files ")):
        return line.rstrip().endswith(b" differ")
    return line.startswith(
        (b"Cannot display: file marked as a binary type", b"cannot compute difference between binary files")
    )


def _is_of(draft: Draft, name: bytes) -> bool:
    """Tell whether such a line is part of the header: `mode` alone is one of a combined diff, and elsewhere words."""
    return draft.combined or name != b"mode"


def _take_extended(draft: Draft, name: bytes, value: bytes) -> None:
    if name in (b"old mode", b"deleted file mode"):
        draft.old_mode = _mode(value)
        draft.mode_note = "deleted" if name == b"deleted file mode" else "mode"
    elif name in (b"new mode", b"new file mode"):
        draft.new_mode = _mode(value)
        draft.mode_note = "added" if name == b"new file mode" else "mode"
    elif name in (b"rename from", b"rename old", b"copy from"):
        draft.moved_from = split_stamp(value)[0] if value.startswith(b'"') else value
    elif name in (b"rename to", b"rename new", b"copy to"):
        draft.moved_to = split_stamp(value)[0] if value.startswith(b'"') else value
        draft.moved = "copied" if name == b"copy to" else "renamed"
    elif name in (b"similarity index", b"dissimilarity index"):
        percent = value.strip().rstrip(b"%")
        if percent.isdigit() and len(percent) < 4:
            draft.similarity = int(percent) if name == b"similarity index" else 100 - min(int(percent), 100)
    elif name == b"index" and draft.old_mode is None and draft.new_mode is None:
        draft.old_mode = draft.new_mode = _mode(value.rpartition(b" ")[2])
    elif name == b"mode" and b".." in value:
        old, _, new = value.rpartition(b"..")
        draft.old_mode, draft.new_mode = _mode(old.partition(b",")[0]), _mode(new)


def _is_copy_of(longer: bytes, name: bytes) -> bool:
    """Tell whether a name is another with an ending such as `.orig` or `~`."""
    return longer.startswith(name) and longer[len(name) : len(name) + 1] in (b".", b"~")


def _mode(value: bytes) -> str | None:
    """Return the six digits of a mode; git reads octal digits up to a blank."""
    match = _MODE.match(value.strip())
    return match[1].decode("ascii") if match else None


def _end_of_binary(source: Source, position: int) -> int:
    """Return the position after the `literal` and `delta` blocks of a binary patch (git: `apply.c`, base 85 lines)."""
    while _LITERAL.match(source.at(position)[:64]):
        position += 1
        while _BASE85.match(source.at(position)[:80]):
            position += 1
            source.check_budget()
        if source.at(position) in (b"\n", b"\r\n"):
            position += 1
    return position
