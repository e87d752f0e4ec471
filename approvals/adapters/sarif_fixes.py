"""The changes of a SARIF fix as a unified diff. Each is made on the artifact's text as the log itself carries it; where
that leaves anything open, `Unconvertible` says what."""

import base64
import binascii
import hashlib
import re
from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from functools import cached_property
from urllib.parse import unquote, urlsplit

from approvals.diff.canonical import canonical, quoted_name
from approvals.diff.parse import parse
from approvals.diff.paths import leaves_tree

from .sarif_log import Artifact, ArtifactChange, ArtifactLocation, Fix, Region, Replacement, Run

CONTEXT_LINES = 3
COMPARED = 100  # lines; of longer windows only equal lines at both ends are left out, for comparing costs their square
ENCODINGS = {"utf-8", "utf8", "us-ascii", "ascii", "iso-8859-1", "windows-1252"}
"""Those in which a line feed is one byte and nothing else has it, as a diff needs."""
MAX_BASES = 20  # so many bases stand on each other at most


class Unconvertible(ValueError):
    """A fix that is no diff, and in words why not."""


@dataclass(frozen=True, slots=True)
class Edit:
    """Characters `start` up to `end` of an artifact are replaced by `text`."""

    start: int
    end: int
    text: str


Block = tuple[int, list[str], list[str]]
"""The index of its first line, the lines as they were, and as they are after it."""


class Source:
    """The text of one artifact as it was analysed."""

    def __init__(self, artifact: Artifact, run: Run, name: str) -> None:
        self.name, self.column_kind = name, run.column_kind
        self.pairs: dict[int, list[int]] = {}
        self.encoding = (artifact.encoding or run.default_encoding or "").lower()
        contents = artifact.contents
        if contents is None or (contents.text is None and contents.binary is None):
            raise Unconvertible(f"{name}: the log does not carry its text; send it in `artifacts[].contents`")
        if self.encoding and self.encoding not in ENCODINGS:
            raise Unconvertible(
                f"{name}: its encoding is {self.encoding}; only {', '.join(sorted(ENCODINGS))} are read"
            )
        if contents.binary is not None:
            self.text = self._decoded(contents.binary)
        else:
            self.text = contents.text or ""
        if "\x00" in self.text:
            raise Unconvertible(f"{name}: its content holds a NUL and is no text")
        others = [mark for mark in run.newline_sequences if mark not in {"\r\n", "\n"} and mark in self.text]
        if others:
            raise Unconvertible(f"{name}: its lines end in {others[0]!r}, which no diff knows")
        self._check_bytes(artifact)

    def _decoded(self, sent: str) -> str:
        try:
            return base64.b64decode(sent, validate=True).decode(self.encoding or "ascii")
        except binascii.Error:
            raise Unconvertible(f"{self.name}: contents.binary is not base64") from None
        except UnicodeDecodeError:
            wanted = self.encoding or "us-ascii; name its `encoding`"
            raise Unconvertible(f"{self.name}: contents.binary is not {wanted}") from None

    def _check_bytes(self, artifact: Artifact) -> None:
        """Refuse where it is open which bytes the file has: a diff has them, a SARIF log has characters."""
        said = artifact.hashes.get("sha-256", "").lower()
        actual = hashlib.sha256(self.encoded(self.text)).hexdigest()
        if said and said != actual:
            raise Unconvertible(f"{self.name}: its content has the SHA-256 {actual}, and `hashes` says {said}")
        if not self.encoding and not said and not self.text.isascii():
            raise Unconvertible(f"{self.name}: it is not ASCII; name its `encoding` or its `hashes['sha-256']`")

    def encoded(self, text: str) -> bytes:
        """Return the bytes of a text of this file."""
        try:
            return text.encode(self.encoding or "utf-8")
        except UnicodeEncodeError as error:
            found = text[error.start]
            raise Unconvertible(f"{self.name}: {self.encoding} has no {found!r} (U+{ord(found):04X})") from None

    @cached_property
    def lines(self) -> list[str]:
        """The lines with their ends."""
        return split(self.text)

    @cached_property
    def starts(self) -> list[int]:
        """Where each line begins, and where the text ends."""
        starts = [0]
        for line in self.lines:
            starts.append(starts[-1] + len(line))
        return starts

    def line_at(self, place: int) -> int:
        """Return the index of the line with a character; one past the last line for the end of a text that ends one."""
        index = bisect_right(self.starts, place) - 1
        ends_one = not self.text or self.text.endswith("\n")
        return min(index, len(self.lines) if ends_one else len(self.lines) - 1)

    def edit(self, replacement: Replacement) -> Edit:
        """Return what a replacement does."""
        region, inserted = replacement.deleted_region, replacement.inserted_content
        if inserted and inserted.text is None and inserted.binary is not None:
            raise Unconvertible(f"{self.name}: it inserts bytes (`insertedContent.binary`); a diff of text takes text")
        start, end = self._span(region)
        return Edit(start, end, (inserted.text or "") if inserted else "")

    def _span(self, region: Region) -> tuple[int, int]:
        if region.start_line is None:
            return self._offsets(region)
        line, column = region.start_line, 1 if region.start_column is None else region.start_column
        end_line = line if region.end_line is None else region.end_line
        start = self._place(line, column)
        if region.end_column is None:
            end = self.starts[self._line(end_line)] + self._length(end_line)
        else:
            end = self._place(end_line, region.end_column)
        if end < start:
            raise Unconvertible(f"{self.name}: the region from line {line} ends before it begins")
        return start, end

    def _offsets(self, region: Region) -> tuple[int, int]:
        if region.char_offset < 0:
            kind = "a region of bytes" if region.byte_offset >= 0 else "no region"
            raise Unconvertible(f"{self.name}: it deletes {kind}; send startLine or charOffset")
        if region.char_length is None or region.char_length < 0:
            raise Unconvertible(f"{self.name}: a region has a charOffset and no charLength")
        return self._offset(region.char_offset), self._offset(region.char_offset + region.char_length)

    def _offset(self, units: int) -> int:
        return self._index(0, self.text, len(self.text), units, f"offset {units}")

    def _place(self, line: int, column: int) -> int:
        """Return the index of the character at a line and column, both from 1."""
        number = self._line(line)
        text = self.lines[number] if number < len(self.lines) else ""
        what = f"column {column} of line {line}"
        return self.starts[number] + self._index(line, text, self._length(line), column - 1, what)

    def _length(self, line: int) -> int:
        """Return how many characters a line has without its end."""
        number = self._line(line)
        if number == len(self.lines):
            return 0
        text = self.lines[number]
        return len(text) - (2 if text.endswith("\r\n") else text.endswith("\n"))

    def _line(self, line: int) -> int:
        count = len(self.lines)
        if not 1 <= line <= count + (not self.text or self.text.endswith("\n")):
            raise Unconvertible(f"{self.name}: there is no line {line}; it has {count:,}")
        return line - 1

    def _index(self, line: int, text: str, length: int, units: int, what: str) -> int:
        """Return the index of the character that so many units of the run's `columnKind` come before, in a line or, as
        line 0, in all of the text."""
        wide = self._pairs(line, text)
        before = bisect_left(wide, units)
        if before and self.column_kind is None:
            raise Unconvertible(f"{self.name}: {what} depends on `columnKind`, and the run does not say it")
        index = units
        if before and self.column_kind == "utf16CodeUnits":
            index = units - before if wide[before - 1] + 1 < units else -1  # within a pair there is no place
        if not 0 <= index <= length:
            raise Unconvertible(f"{self.name}: there is no {what}")
        return index

    def _pairs(self, line: int, text: str) -> list[int]:
        """Return where the pairs of UTF-16 in a line begin, in its units; each line is looked through once."""
        if text.isascii():
            return []
        if line not in self.pairs:
            wide = (index for index, char in enumerate(text) if ord(char) > 0xFFFF)
            self.pairs[line] = [index + earlier for earlier, index in enumerate(wide)]
        return self.pairs[line]


def split(text: str) -> list[str]:
    """Return the lines of a text with their ends; only a line feed ends one."""
    return re.findall(r"[^\n]*\n|[^\n]+", text)


class Sources:
    """The artifacts of one run, each read once."""

    def __init__(self, run: Run) -> None:
        self.run = run
        self.read: dict[int, Source] = {}
        self.by_path: dict[str, int] = {}
        for index, artifact in enumerate(run.artifacts):
            if artifact.location and artifact.location.uri:
                try:
                    self.by_path.setdefault(path_of(artifact.location, run), index)
                except Unconvertible:
                    continue  # of no change then; one that names it says why

    def of(self, location: ArtifactLocation) -> tuple[str, Source]:
        """Return the path of a changed artifact and its text."""
        index = location.index
        if index >= len(self.run.artifacts):
            raise Unconvertible(
                f"artifactLocation.index is {index}, and the run has {len(self.run.artifacts)} artifacts"
            )
        listed = self.run.artifacts[index].location if index >= 0 else None
        named = location if location.uri else listed
        if named is None or not named.uri:
            raise Unconvertible("a change names no file: its artifactLocation has neither `uri` nor a named `index`")
        path = path_of(named, self.run)
        if index < 0:
            index = self.by_path.get(path, -1)
        elif listed and listed.uri and path_of(listed, self.run) != path:
            raise Unconvertible(f"{path}: artifacts[{index}] is another file")
        if index < 0:
            raise Unconvertible(f"{path}: the log does not carry its text; send it in `artifacts[].contents`")
        if index not in self.read:
            self.read[index] = Source(self.run.artifacts[index], self.run, path)
        return path, self.read[index]


def path_of(location: ArtifactLocation, run: Run) -> str:
    """Return the path of an artifact in its repository. The bases of `originalUriBaseIds` are followed to the one that
    the run maps to the repository's root, or to the outermost."""
    parts, root = [_relative(location.uri or "")], _root(run)
    base = location.uri_base_id
    for _ in range(MAX_BASES):
        known = run.original_uri_base_ids.get(base) if base and base != root else None
        if known is None or not known.uri_base_id:
            break
        parts.insert(0, _relative(known.uri or ""))
        base = known.uri_base_id
    else:
        raise Unconvertible(f"uriBaseId {location.uri_base_id!r} leads through more than {MAX_BASES} bases")
    if root and base and base != root:
        raise Unconvertible(f"{location.uri}: it lies under {base}, and the repository is mapped to {root}")
    path = "/".join(part for part in "/".join(parts).split("/") if part not in {"", "."})
    if not path or leaves_tree(path.encode()):
        raise Unconvertible(f"{location.uri}: it leads out of the repository")
    return path


def _root(run: Run) -> str | None:
    """Return the base that is the repository's root, as the run's version control details say."""
    mapped = [one.mapped_to for one in run.version_control_provenance if one.mapped_to]
    if len(mapped) > 1 or any(one.uri for one in mapped):
        raise Unconvertible(
            "the run maps more than one folder, or one below a base, to a repository; send one run each"
        )
    return mapped[0].uri_base_id if mapped else None


def _relative(uri: str) -> str:
    parts = urlsplit(uri)
    if parts.scheme or parts.netloc or parts.query or parts.fragment or uri.startswith("/"):
        raise Unconvertible(f"{uri}: it is no path in a repository; send a relative `uri`")
    return unquote(parts.path)


def diff_of(fix: Fix, sources: Sources) -> bytes:
    """Return the changes of a fix as a diff in its canonical form; raise Unconvertible."""
    files: dict[str, bytes] = {}
    for change in fix.artifact_changes:
        path, source = sources.of(change.artifact_location)
        if path in files:
            raise Unconvertible(f"{path}: two artifactChanges change it; send one with all replacements")
        files[path] = b"".join(_file(path, source, change))
    found = canonical(parse(b"".join(files.values())))
    if found.data is None:
        raise Unconvertible(f"as a diff it would not be read alike by every tool. {found.reason}")
    return found.data


def _file(path: str, source: Source, change: ArtifactChange) -> Iterator[bytes]:
    blocks = list(_changed(source, [source.edit(one) for one in change.replacements]))
    if not blocks:
        raise Unconvertible(f"{path}: its replacements change nothing")
    yield b"diff --git %b %b\n" % (quoted_name(b"a/", path.encode()), quoted_name(b"b/", path.encode()))
    yield b"--- %b\n+++ %b\n" % (quoted_name(b"a/", path.encode()), quoted_name(b"b/", path.encode()))
    shift = 0
    for hunk in _hunks(blocks):
        yield source.encoded("".join(_hunk(source.lines, hunk, shift)))
        shift += sum(len(new) - len(old) for _, old, new in hunk)


def _changed(source: Source, edits: Sequence[Edit]) -> Iterator[Block]:
    """Yield the blocks of lines that differ, in order; insertions at one place stay in the order of the log."""
    ordered = sorted(edits, key=lambda edit: edit.start)
    for before, after in zip(ordered, ordered[1:], strict=False):
        if after.start < before.end or (after.start == before.start and after.end > after.start):
            line = source.line_at(after.start) + 1
            raise Unconvertible(f"{source.name}: two replacements overlap in line {line}")
    window: list[Edit] = []
    for edit in ordered:
        if window and source.line_at(edit.start) > source.line_at(window[-1].end):
            yield from _window(source, window)
            window = []
        window.append(edit)
    yield from _window(source, window)


def _window(source: Source, edits: list[Edit]) -> Iterator[Block]:
    """Yield what edits that touch the same lines change in them."""
    first, last = source.line_at(edits[0].start), source.line_at(edits[-1].end)
    old = source.lines[first : last + 1]
    place, pieces = source.starts[min(first, len(source.lines))], []
    for edit in edits:
        pieces += [source.text[place : edit.start], edit.text]
        place = edit.end
    pieces.append(source.text[place : source.starts[min(last + 1, len(source.lines))]])
    new = split("".join(pieces))
    if max(len(old), len(new)) <= COMPARED:
        for tag, a, b, c, d in SequenceMatcher(None, old, new, autojunk=False).get_opcodes():
            if tag != "equal":
                yield first + a, old[a:b], new[c:d]
        return
    least = min(len(old), len(new))
    head = next((n for n in range(least) if old[n] != new[n]), least)
    tail = next((n for n in range(least - head) if old[-1 - n] != new[-1 - n]), least - head)
    if old[head : len(old) - tail] or new[head : len(new) - tail]:
        yield first + head, old[head : len(old) - tail], new[head : len(new) - tail]


def _hunks(blocks: Sequence[Block]) -> Iterator[list[Block]]:
    """Yield blocks in groups whose context would touch."""
    hunk: list[Block] = []
    for block in blocks:
        if hunk and block[0] - (hunk[-1][0] + len(hunk[-1][1])) > 2 * CONTEXT_LINES:
            yield hunk
            hunk = []
        hunk.append(block)
    yield hunk


def _hunk(lines: list[str], blocks: list[Block], shift: int) -> Iterator[str]:
    first = max(0, blocks[0][0] - CONTEXT_LINES)
    last = min(len(lines), blocks[-1][0] + len(blocks[-1][1]) + CONTEXT_LINES)
    old_count = last - first
    new_count = old_count + sum(len(new) - len(old) for _, old, new in blocks)
    yield f"@@ -{first + (old_count > 0)},{old_count} +{first + shift + (new_count > 0)},{new_count} @@\n"
    place = first
    for start, old, new in blocks:
        yield from _signed(" ", lines[place:start])
        yield from _signed("-", old)
        yield from _signed("+", new)
        place = start + len(old)
    yield from _signed(" ", lines[place:last])


def _signed(sign: str, lines: list[str]) -> Iterator[str]:
    for line in lines:
        yield f"{sign}{line}" if line.endswith("\n") else f"{sign}{line}\n\\ No newline at end of file\n"
