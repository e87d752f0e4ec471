"""What GNU patch reads in a patch: where it finds changes, of which kind, and under which names. Changes nothing.

The behaviour was measured with GNU patch 2.7.6 and is held against the tool in the tests. It matters because patch
reads more than a person expects: diffs in a commit message, indented ones, normal and ed diffs after a lone name line.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final, Literal

from approvals.diff.context_hunks import is_next_context_header, read_context
from approvals.diff.paths import split_stamp
from approvals.diff.source import Source
from approvals.diff.structure import without_ending

SectionKind = Literal["unified", "context", "normal", "ed", "header", "binary"]

_FIRST: Final = frozenset(b"*+Ipd-@<>.0123456789acisorncG")
_BLANKS: Final = b" \tX"
_COMMENT: Final = ord("#")  # patch passes over lines that begin so, in hunks too
_RANGE: Final = rb"(?:0(?=\d))*+(\d{1,18})(?:,(?:0(?=\d))*+(\d{1,18}))?"
_UNIFIED = re.compile(rb"@@ -" + _RANGE + rb" ?\+" + _RANGE + rb" ?@")
_NORMAL = re.compile(_RANGE + rb"([acd])" + _RANGE)  # what stands behind it counts in the first command only
_LOOKS_NORMAL = re.compile(rb"\d[\d,]*[acd][\d,]*[ \t]*\r?\n")
_BEGINS_NORMAL = re.compile(rb"\d[\d,]*[acd]")
_ED = re.compile(rb"(?:\d+(?:,\d+)?)?([cd])[ \t]*\r?\n|(?:\d+)?([ai])[ \t]*\r?\n|(?:\d+(?:,\d+)?)?(s)/\.//[ \t]*\r?\n")
_NESTED = re.compile(rb"(?:- )*--- ")
_INDEX = re.compile(rb"index [0-9a-f]+\.\.[0-9a-f]+(?:\s|$)")
_PAIR = re.compile(rb'\s*("(?:[^"\\]|\\.)*"|[^\s"]\S*)\s+("(?:[^"\\]|\\.)*"|[^\s"]\S*)\s*$')
GIT_LINES: Final = (
    b"index ",
    b"old mode ",
    b"new mode ",
    b"deleted file mode ",
    b"new file mode ",
    b"rename from ",
    b"rename to ",
    b"copy from ",
    b"copy to ",
)


@dataclass(slots=True)
class Section:
    """A change to one file as patch finds it. Positions count lines of the patch from 0.

    `start` is where the change itself begins (a hunk, a command), `header` the first line that named the file and `end`
    the line after it. `names` are those of the lines `---` (or `***`), `+++` and `Index:`; `/dev/null` is left out.
    `heads` are all lines since the change before from which patch takes a name, a time, a mode or line ends.
    `hunks` are (first line, line after the last). `indent` is how many columns stand before the lines, `nested` how
    many `- ` before them (RFC 934), `lines` are all lines of the patch without either.
    """

    kind: SectionKind
    start: int
    header: int
    names: dict[str, bytes]
    indent: int = 0
    nested: int = 0
    end: int = 0
    hunks: list[tuple[int, int]] = field(default_factory=list)
    lines: list[bytes] = field(default_factory=list)
    heads: list[int] = field(default_factory=list)

    @property
    def is_hidden(self) -> bool:
        """Return whether git passes over it and a person may take it for words."""
        return bool(self.hunks) and (self.kind in ("normal", "ed") or self.indent > 0 or self.nested > 0)

    def names_any(self, names: tuple[bytes, ...]) -> bool:
        """Return whether one of the names is among these, or no name is said."""
        return not self.names or any(name in names for name in self.names.values())


@dataclass(slots=True)
class PatchReading:
    """All sections in order, where patch stops with an error, and the hunk it reads then (None where it reads to the
    end)."""

    sections: list[Section] = field(default_factory=list)
    stops_at: int | None = None
    stops_in: int | None = None


class _Stop(Exception):
    """Patch ends here with an error; what stands before it is applied already."""


def read_as_patch(source: Source) -> PatchReading:
    """Return what `patch` would read in these lines, whether or not the files exist."""
    reading, position = PatchReading(), 0
    unindented_by = {(0, 0): source}
    while position < len(source.lines) and (section := _find(source, position)) is not None:
        reading.sections.append(section)
        section.end = section.start
        try:
            by = section.indent, section.nested
            if by not in unindented_by:
                unindented_by[by] = _unindented_source(source, *by)
            section.lines = unindented_by[by].lines
            _BODIES[section.kind](unindented_by[by], source, section)
        except _Stop as stop:
            reading.stops_at, reading.stops_in = stop.args
            section.end = max(section.end, reading.stops_at)
            break
        if section.end <= position and not section.hunks and section.kind != "header":
            reading.stops_at = reading.stops_in = section.start
            break
        position = section.end
    return reading


@dataclass(slots=True)
class _Header:
    """What the lines since the last change have said about the file to change."""

    lines: list[int] = field(default_factory=list)
    names: dict[str, bytes] = field(default_factory=dict)
    git: bool = False
    pair: tuple[bytes, bytes] | None = None
    extended: bool = False
    nested: int = 0
    command: int | None = None  # where the first line stands that ed would obey
    command_indent: int = 0
    ed: bool = False

    def say(self, position: int, side: str, name: bytes) -> None:
        self.lines.append(position)
        if name and name != b"/dev/null":
            if self.names.get(side, name) != name:  # patch keeps it where the later one has too few folders
                self.names[f"{side} before"] = self.names[side]
            self.names[side] = name
        elif side in self.names:  # /dev/null takes no earlier name away
            self.names[f"{side} before"] = self.names.pop(side)

    def take_pair(self, rest: bytes) -> None:
        """Take the names of a `diff --git` line, which replace earlier ones: none where they are not two words."""
        for side in ("old", "new"):
            self.names.pop(side, None)
            self.names.pop(f"{side} before", None)
        if (words := _PAIR.match(rest)) is not None:
            self.pair = (_name(words[1]), _name(words[2]))


def _find(source: Source, position: int) -> Section | None:
    """Return the next change from a position on; a name must have been given since the last one."""
    header, lines = _Header(), source.lines
    stars, stars_indent, command = False, 0, False
    before = last = position  # the line before this one and this one, as patch counts: a comment is none
    for at in range(position, len(lines)):
        if not at & 0xFFF:
            source.check_budget()
        line = lines[at]
        if line[0] == _COMMENT:
            continue
        before, last = last, at
        text = line.lstrip(_BLANKS)
        indent = _columns(line[: len(line) - len(text)]) if len(text) < len(line) else 0
        command_before = command
        if _BEGINS_NORMAL.match(text):  # patch remembers the last such line, whatever stands between
            command = _LOOKS_NORMAL.match(text) is not None
        if header.lines and header.command is None and (command or _ED.match(text)):
            header.command, header.command_indent, header.ed = at, indent, _ED.match(text) is not None
        if not text or text[0] not in _FIRST:
            stars = False
            continue
        if text.startswith(b"diff --git ") and header.extended:
            return _section("header", at, header, 0)
        _take(header, at, text, stars)
        if not header.lines:
            continue
        kind = _opens(header, text, stars and stars_indent == indent, command_before)
        if kind == "ed":
            return _section(kind, header.command or 0, header, header.command_indent)
        if kind:
            return _section(kind, before if kind in ("context", "normal") else at, header, indent)
        stars, stars_indent = text.startswith(b"********"), indent
    if header.command is not None and header.ed and header.lines:
        return _section("ed", header.command, header, header.command_indent)  # commands that only delete
    return _section("header", len(lines), header, 0) if header.extended else None


def _opens(header: _Header, text: bytes, stars: bool, command: bool) -> SectionKind | None:
    """Return which kind of change the line opens, given that a name was said before."""
    if header.git and text.startswith(b"GIT binary patch"):
        return "binary"
    if header.command is not None and text == b".\n":
        return "ed"
    if text.startswith(b"@@ -"):
        return "unified"
    if stars and text.startswith(b"*** "):
        return "context"
    return "normal" if command and text.startswith((b"< ", b"> ")) else None


def _section(kind: SectionKind, start: int, header: _Header, indent: int) -> Section:
    first = min([*header.lines[:1], start])
    names = dict(header.names)
    for side, name in zip(("old", "new"), header.pair, strict=True) if header.pair else ():
        names.setdefault(side, name)
    return Section(kind, start, first, names, indent, header.nested, heads=header.lines)


def _take(header: _Header, at: int, text: bytes, stars: bool) -> None:
    """Remember what a line says about the file: its names, and that git's own header stands here."""
    if text.startswith(b"*** ") and not stars:
        header.say(at, "old", _name(text[4:]))
    elif text.startswith(b"+++ "):
        header.say(at, "new", _name(text[4:]))
    elif text.startswith(b"Index:"):
        header.say(at, "index", _name(text[6:], to_end=True))
    elif text.startswith(b"diff --git "):
        header.lines.append(at)
        header.git = True
        header.take_pair(text[11:])
    elif header.git and text.startswith(GIT_LINES):
        header.lines.append(at)
        # An index line without two names of contents is words to patch, and no header that ends the search.
        header.extended = header.extended or not text.startswith(b"index ") or _INDEX.match(text) is not None
    elif nested := _NESTED.match(text):
        rest = text[nested.end() :]
        header.say(at, "old", _name(rest))
        # A name with a time behind it sets the nesting. What is no time to patch sets none, so the deepest counts here.
        if rest.split() != [rest.removesuffix(b"\n")] or rest.startswith(b"/dev/null"):
            header.nested = max(header.nested, (nested.end() - 4) // 2)


def _name(rest: bytes, *, to_end: bool = False) -> bytes:
    """Return the file name after `--- ` and the like: it ends at a blank unless a tab comes later; after `Index:` it
    goes on to the end of the line."""
    rest = without_ending(rest).lstrip()
    if rest.startswith(b'"'):
        return split_stamp(rest)[0]
    name, tab, _ = rest.partition(b"\t")
    if tab or to_end:
        return name.rstrip()
    return name.split()[0] if name.split() else b""


def _columns(blanks: bytes) -> int:
    columns = 0
    for char in blanks:
        columns = (columns + 8) & ~7 if char == 9 else columns + 1
    return columns


def unindented(line: bytes, indent: int, nested: int = 0) -> bytes:
    """Return a line without the indentation patch strips: so many columns of blanks, tabs and X, then so many `- `."""
    columns = place = 0
    while columns < indent and place < len(line) and line[place] in _BLANKS:
        columns = (columns + 8) & ~7 if line[place] == 9 else columns + 1
        place += 1
    while nested > 0 and line.startswith(b"- ", place):
        place, nested = place + 2, nested - 1
    return line[place:]


def _unindented_source(source: Source, indent: int, nested: int) -> Source:
    """Return all lines as they stand in sections of an indentation, each where it was."""
    lines, left = [], nested
    for at, line in enumerate(source.lines):
        if not at & 0xFFF:
            source.check_budget()
        bare = unindented(line, indent, left)
        lines.append(bare)
        # Patch reads a comment and the line behind it at once: what the one had before it is not taken off the other.
        left = left - (len(unindented(line, indent)) - len(bare)) // 2 if bare[:1] == b"#" else nested
    return Source.of(lines, source)


def _after_comments(source: Source, at: int) -> int:
    """Return where the next line stands that is no comment."""
    while source.at(at)[:1] == b"#":
        at += 1
        if not at & 0xFFF:
            source.check_budget()
    return at


def _unified(source: Source, sent: Source, section: Section) -> None:
    """Read hunks as long as each follows the one before at once."""
    at = section.start
    while (line := source.at(at := _after_comments(source, at))).startswith(b"@@ -"):
        match = _UNIFIED.match(line)
        if match is None:
            raise _Stop(at, at)
        old, new = int(match[2] or 1), int(match[4] or 1)
        begin, at = at, at + 1
        if source is sent and (end := source.plain_end(at, old, new)) is not None:
            old, new, at = 0, 0, _after_note(sent, end)
        while old > 0 or new > 0:
            line = source.at(at)
            sign = line[:1]
            if sign == b"#":
                at += 1
                continue
            if not line:
                if old + new > 4:
                    raise _Stop(at, begin)
                break  # blank lines at the very end are taken to be lost
            if sign == b"+":
                new -= 1
            elif sign == b"-":
                old -= 1
            elif sign in b" =\t\n" or line == b"\r\n":
                old, new = old - 1, new - 1
            else:
                raise _Stop(at, begin)
            if old < 0 or new < 0:
                raise _Stop(at, begin)
            at = _after_note(sent, at + 1)
            if not at & 0xFFF:
                source.check_budget()
        section.hunks.append((begin, at))
        section.end = at


def _after_note(sent: Source, at: int) -> int:
    """Return where the next line stands that is no note about a missing line ending, which stands unindented."""
    return at + 1 if sent.at(at).startswith(b"\\") else at


def _context(source: Source, sent: Source, section: Section) -> None:
    at = section.start
    while is_next_context_header(source, at := _after_comments(source, at)):
        begin, at = at, read_context(source, at).next
        section.hunks.append((begin, at))
        section.end = at
    if not section.hunks:
        raise _Stop(at, at)


def _normal(source: Source, sent: Source, section: Section) -> None:
    at = section.start
    while match := _NORMAL.match(source.at(at := _after_comments(source, at))):
        begin, at = at, at + 1
        old = _count(match[1], match[2]) if match[3] != b"a" else 0
        new = _count(match[4], match[5]) if match[3] != b"d" else 0
        at = _prefixed(source, sent, section, at, old, b"<")
        if match[3] == b"c":
            at = _after_comments(source, at)
            if not source.at(at).startswith(b"-"):
                raise _Stop(at, section.end)
            at += 1
        at = _prefixed(source, sent, section, at, new, b">")
        section.hunks.append((begin, at))
        section.end = at
    if source.at(at)[:1].isdigit():
        raise _Stop(at, section.end)


def _count(first: bytes, last: bytes | None) -> int:
    return int(last) - int(first) + 1 if last else 1


def _prefixed(source: Source, sent: Source, section: Section, at: int, count: int, sign: bytes) -> int:
    for _ in range(count):
        line = source.at(at := _after_comments(source, at))
        if line[:1] != sign or line[1:2] not in b" \t":
            raise _Stop(at, section.end)
        at = _after_note(sent, at + 1)
    return at


def _ed(source: Source, sent: Source, section: Section) -> None:
    """Read commands; text that one inserts ends at a line with a dot alone. A CR at the first command takes all off."""
    at = section.start
    dots = (b".\n", b".\r\n")[: 1 + source.at(at).endswith(b"\r\n")]
    while match := _ED.match(source.at(at := _after_comments(source, at))):
        begin, at = at, at + 1
        if (match[1] or match[2] or match[3]) in (b"a", b"i", b"c"):
            while at < len(source.lines) and unindented(sent.at(at), section.indent, section.nested) not in dots:
                at += 1  # comments are text here
            at += 1
        section.hunks.append((begin, min(at, len(source.lines))))
        section.end = min(at, len(source.lines))


def _nothing(source: Source, sent: Source, section: Section) -> None:
    section.end = section.start


def _binary(source: Source, sent: Source, section: Section) -> None:
    section.end = section.start + 1  # patch refuses the content and reads on


_BODIES: Final[dict[SectionKind, Callable[[Source, Source, Section], None]]] = {
    "unified": _unified,
    "context": _context,
    "normal": _normal,
    "ed": _ed,
    "header": _nothing,
    "binary": _binary,
}
