"""Marks what in a patch could mislead a reader or a tool: characters, words, modes, blobs. Draws and decides nothing.

Only what the patch adds or says is looked at, never its context. Time is linear in the size of the patch.
"""

import re
from bisect import bisect_right
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Final, Generic, Literal, TypeVar

from approvals.diff.confusables import (
    BIDI,
    CHARACTERS,
    FORMS,
    IDEOGRAPHS,
    LETTERS,
    ODD,
    PHRASES,
    RIGHTFUL,
    SIGNS,
    closed,
    folded,
    listed,
    plain,
    readable,
    removals,
)
from approvals.diff.invisible import INVISIBLE, LONGEST_EXCERPT, quoted
from approvals.diff.paths import leaves_tree, unusual
from approvals.diff.structure import (
    ADD,
    CONTEXT,
    DIVIDER,
    EATEN,
    OTHER,
    STRAY,
    Diff,
    File,
    Hunk,
    Text,
    decoded,
    without_ending,
)

Where = Literal["line", "path", "heading", "message", "file", "patch"]

MOST_OF_A_CODE: Final = 50  # marks; what comes after them is counted
LONG_LINE: Final = 1_000  # characters; nobody reads to the end of such a line

TITLES: Final = {
    "bidi": "Text direction control",
    "bidi-unbalanced": "Text direction control left open",
    "tag": "Hidden tag characters",
    "invisible": "Invisible character",
    "blank": "Unusual blank",
    "escape": "Terminal escape sequence",
    "control": "Control character",
    "mixed-script": "Mixed alphabets in one word",
    "lookalike": "Lookalike characters",
    "addresses-reader": "Text for a model or a reviewer",
    "long-line": "Very long line",
    "encoded": "Encoded content",
    "symlink": "Symbolic link",
    "submodule": "Submodule",
    "executable": "Executable file",
    "mode": "File mode",
    "binary": "Binary content",
    "suspicious-path": "Unusual path",
}


@dataclass(frozen=True, slots=True)
class Mark:
    """One thing to look at. Sentences hold excerpts of the patch with nothing invisible in them, but not escaped.

    `file` is the path shown and `key` the `File.key`; `line` is the file's line number (new, for an added line) where
    the hunk has numbers, `patch_line` the line of the patch text. A last mark of a code with `where` "patch" counts.
    """

    code: str
    title: str
    explanation: str
    file: str | None = None
    line: int | None = None
    where: Where = "patch"
    key: str | None = None
    patch_line: int | None = None


M = TypeVar("M", bound=Mark)


class Tally(Generic[M]):
    """Marks in the order met, at most `MOST_OF_A_CODE` of each code; more are only counted."""

    __slots__ = ("_kept", "_seen")

    def __init__(self) -> None:
        self._kept: list[M] = []
        self._seen: Counter[str] = Counter()

    def take(self, code: str) -> bool:
        """Count one of a code and tell whether its mark is still wanted."""
        self._seen[code] += 1
        return self._seen[code] <= MOST_OF_A_CODE

    def add(self, mark: M) -> None:
        """Keep a mark that was taken."""
        self._kept.append(mark)

    def close(self, rest: Callable[[str, str], M]) -> tuple[M, ...]:
        """Return the marks in patch order, then `rest(code, sentence)` for each code that had more."""
        ordered = sorted(self._kept, key=lambda mark: mark.patch_line or 0)
        more = {code: count - MOST_OF_A_CODE for code, count in self._seen.items() if count > MOST_OF_A_CODE}
        return (*ordered, *(rest(code, f"{count:,} more of this kind.") for code, count in more.items()))


@dataclass(frozen=True, slots=True)
class Passage:
    """Lines that are read together: `text` joins them by LF. `indexes` say which of the hunk's raw lines they are."""

    text: str
    where: Where
    first: int
    file: File | None = None
    hunk: Hunk | None = None
    indexes: Sequence[int] = ()

    def place(self, ordinal: int) -> tuple[int | None, int]:
        """Return the file's line number and the patch line of the line that comes `ordinal`-th, from 0."""
        if self.hunk is None:
            return None, self.first + ordinal
        index = self.indexes[ordinal]
        return _number(self.hunk, index), self.first + index

    def ordinals(self, pattern: re.Pattern[str]) -> Iterator[tuple[int, re.Match[str]]]:
        """Return the matches of a pattern, each with the number of its line in this passage, from 0."""
        ordinal = position = 0
        for match in pattern.finditer(self.text):
            ordinal += self.text.count("\n", position, match.start())
            position = match.start()
            yield ordinal, match


def passages(file: File, code: int) -> Iterator[Passage]:
    """Return the lines a file adds (`ADD`) or deletes (`DELETE`), a passage for each hunk that has some."""
    for hunk in file.hunks:
        if code in hunk.codes:
            yield _passage(file, hunk, bytes((code,)), "line")


def marks(diff: Diff) -> tuple[Mark, ...]:
    """Return what to look at in added lines, file facts, paths, hunk headings and the words around the changes.

    Sources: UTS 39 and UTR 36 (lookalikes), UAX 9 and CVE-2021-42574 'Trojan Source' (direction controls), CWE-150
    (escape sequences), CVE-2014-9390 (`.git` in paths). A mark is a fact about the bytes, not a verdict.
    """
    found: Tally[Mark] = Tally()
    reader = _Reader(found, diff)
    for chunk in diff.chunks:
        if isinstance(chunk, Text):
            reader.read(Passage(_joined(chunk.raw_lines, 0), "message", chunk.line))
            continue
        whole = Passage("", "file", chunk.line, chunk)
        for code, words in _about_file(chunk):
            reader.mark(code, whole, 0, partial(str, words))
        for path in dict.fromkeys(path for path in (chunk.path, chunk.old_path, chunk.new_path) if path):
            named_so = Passage(path.replace("\n", "\r"), "path", chunk.line, chunk)
            reader.read(named_so)
            for words in unusual(path):
                reader.mark("suspicious-path", named_so, 0, partial(str, words))
        for passage in _parts(chunk):
            reader.read(passage)
            if passage.where == "line":
                _about_size(passage, reader)
    return found.close(lambda code, words: Mark(code, TITLES[code], words))


def _parts(file: File) -> Iterator[Passage]:
    headers = [b"" if line.startswith(_HEADERS) else line for line in file.header_lines]
    if any(headers):
        yield Passage(_joined(headers, 0), "heading", file.line, file)
    for hunk in file.hunks:
        if hunk.heading:
            yield Passage(hunk.heading, "heading", hunk.line, file)
        if OTHER in hunk.codes or STRAY in hunk.codes:
            yield _passage(file, hunk, bytes((OTHER, STRAY)), "message")
        if ADD in hunk.codes:
            yield _passage(file, hunk, bytes((ADD,)), "line")


_HEADERS: Final = tuple(
    b"diff |index |--- |+++ |*** |Index: |===|rename |copy |similarity |dissimilarity |old mode |new mode |"
    b"new file mode |deleted file mode |Binary files |GIT binary patch|RCS file: |retrieving revision ".split(b"|")
)


def _passage(file: File, hunk: Hunk, wanted: bytes, where: Where) -> Passage:
    indexes = [index for index, code in enumerate(hunk.codes) if code in wanted]
    if where == "line" and hunk.is_plain:
        whole = b"".join([hunk.raw_lines[index][1:] for index in indexes])
        text = _text(whole.replace(b"\r\n", b"\n")[:-1])
        return Passage(text, where, hunk.first_line, file, hunk, indexes)
    text = _joined([hunk.raw_lines[index] for index in indexes], hunk.sign_width if where == "line" else 0)
    return Passage(text, where, hunk.first_line, file, hunk, indexes)


def _joined(raw_lines: Sequence[bytes], width: int) -> str:
    return _text(b"\n".join([without_ending(raw)[width:] for raw in raw_lines]))


def _text(lines: bytes) -> str:
    """Return lines as one text, those that are not UTF-8 as Latin-1 like everywhere."""
    try:
        return lines.decode()
    except UnicodeDecodeError:
        return "\n".join(map(decoded, lines.split(b"\n")))


def _number(hunk: Hunk, index: int) -> int | None:
    """Return the number that `Hunk.walk` gives an added line, without building the lines before it."""
    if hunk.codes[index] != ADD or hunk.new_start is None:
        return None
    start = hunk.codes.find(DIVIDER, 0, index) + 1 if hunk.form == "context" else 0
    return hunk.new_start + sum(hunk.codes.count(code, start, index) for code in (CONTEXT, EATEN, ADD))


_WORD = re.compile(r"(?<!\w)\w{2,}")
_NO_TAGS = re.compile("[^\U000e0020-\U000e007e]+")
_LATIN = re.compile("[A-Za-z]")
_PASSING_FOR_ASCII = frozenset((*FORMS, *SIGNS))
_NAMES = re.compile(rb"[A-Za-z_][A-Za-z0-9_]{2,}")
# A run of base64, base32 or hexadecimal digits, or of escaped bytes, and eight whole lines of base64 (RFC 4648).
_ENCODED = re.compile(
    r"[A-Za-z0-9+/_-]{256,}|(?:\\x[0-9A-Fa-f]{2}){64,}"
    r"|(?:^[ \t\"']{0,16}[A-Za-z0-9+/]{56,80}={0,2}[\"',;+\\ \t]{0,4}\n){8,}",
    re.MULTILINE,
)
_SHORTEST_ENCODED = 56  # characters in the longest line of what the pattern above finds
_MANY_DIGITS = 12  # different characters; a ruler of dashes or zeros encodes nothing


class _Reader:
    """Reads passages one after another and marks characters and words in them."""

    def __init__(self, found: Tally[Mark], diff: Diff) -> None:
        self.found = found
        self.diff = diff
        self.names: frozenset[str] | None = None

    def read(self, passage: Passage) -> None:
        """Mark the characters, lookalikes and phrases of a passage."""
        if ODD.search(passage.text):
            for ordinal, line in enumerate(passage.text.split("\n")):
                if ODD.search(line):
                    self._characters(passage, ordinal, line)
                    self._lookalikes(passage, ordinal, line)
        self._phrases(passage)

    def mark(self, code: str, passage: Passage, ordinal: int, words: Callable[[], str]) -> None:
        """Keep a mark, or only count it: its words are asked for only when it is kept."""
        if self.found.take(code):
            line, patch_line = passage.place(ordinal)
            path, key = (passage.file.path, passage.file.key) if passage.file else (None, None)
            self.found.add(Mark(code, TITLES[code], words(), path, line, passage.where, key, patch_line))

    def _characters(self, passage: Passage, ordinal: int, line: str) -> None:
        if not INVISIBLE.search(line):
            return
        if bidi := BIDI.findall(line):
            self.mark("bidi" if closed(bidi) else "bidi-unbalanced", passage, ordinal, partial(_direction, bidi))
            line = BIDI.sub("", line)
        line = RIGHTFUL.sub(" ", line)
        for code, pattern, does in CHARACTERS:
            if characters := pattern.findall(line):
                self.mark(code, passage, ordinal, partial(_hidden, characters, does))
                line = pattern.sub("", line)

    def _lookalikes(self, passage: Passage, ordinal: int, line: str) -> None:
        if line.isascii():
            return
        for match in _WORD.finditer(line):
            word = match[0]
            if match.start() and line[match.start() - 1] in "\\%" and word[0].isascii():  # the n of '\\n'
                word = word[1:]
            if word.isascii():
                continue
            if LETTERS.keys().isdisjoint(word):
                if _PASSING_FOR_ASCII.isdisjoint(word) and (name := folded(word)):
                    self.mark("lookalike", passage, ordinal, partial(_read_as, word, name))
                continue
            if _LATIN.search(word):
                self.mark("mixed-script", passage, ordinal, partial(_mixed, word))
            elif plain(word) in self._names(word):
                self.mark("lookalike", passage, ordinal, partial(_whole, word))
        if not _PASSING_FOR_ASCII.isdisjoint(line) and not IDEOGRAPHS.search(line):
            self.mark("lookalike", passage, ordinal, partial(_passing, line))

    def _names(self, word: str) -> frozenset[str]:
        """Return the ASCII names of the whole patch, read once, when a word first asks for them."""
        if len(word) < 3 or not plain(word).isascii():
            return frozenset()
        if self.names is None:
            self.names = frozenset(name.decode() for name in _NAMES.findall(self.diff.to_bytes()))
        return self.names

    def _phrases(self, passage: Passage) -> None:
        """Mark phrases, also those that invisible characters split or lookalikes spell."""
        found = list(PHRASES.finditer(readable(passage.text)))
        removed = removals(passage.text) if found else []
        position = ordinal = 0
        for match in found:
            start, last = (at + bisect_right(removed, at) for at in (match.start(), match.end() - 1))
            ordinal += passage.text.count("\n", position, start)
            position = start
            self.mark("addresses-reader", passage, ordinal, partial(_addressed, passage.text[start : last + 1][:200]))


def _direction(controls: Sequence[str]) -> str:
    if closed(controls):
        return f"{listed(controls)} reorders text on the screen: machines read it in another order (CVE-2021-42574)."
    words = "is not closed on this line: what is shown may be in another order than what machines read"
    return f"{listed(controls)} {words} (CVE-2021-42574)."


def _hidden(characters: Sequence[str], does: str) -> str:
    hidden = _NO_TAGS.sub("", "".join(characters))[: LONGEST_EXCERPT + 1]
    tags = "".join(chr(ord(tag) - 0xE0000) for tag in hidden)
    spelled = f" Here it spells “{quoted(tags)}”." if tags else ""
    return f"{listed(characters)} {does}.{spelled}"


def _mixed(word: str) -> str:
    strange = [letter for letter in word if letter in LETTERS]
    return f"“{quoted(word)}” mixes Latin letters with {listed(strange)}: it is not the word “{quoted(plain(word))}”."


def _whole(word: str) -> str:
    return f"“{quoted(word)}” looks like “{quoted(plain(word))}”, which is also in this patch, and is another word."


def _read_as(word: str, name: str) -> str:
    return f"“{quoted(word)}” is the name “{quoted(name)}” to Python, and another word to whoever searches for it."


def _passing(line: str) -> str:
    strange = [sign for sign in line if sign in _PASSING_FOR_ASCII]
    return f"{listed(strange)} looks like “{plain(strange[0])}” and is another character."


def _addressed(words: str) -> str:
    return f"This text addresses a model or a reviewer: “{quoted(words)}”."


def _encoded(run: str) -> str:
    return f"{len(run):,} characters in a row look encoded (base64, hexadecimal): what they hold cannot be read here."


def _long(line: str) -> str:
    return f"The line has {len(line):,} characters."


def _about_size(passage: Passage, reader: _Reader) -> None:
    """Mark lines nobody reads to the end, and content that nobody can read."""
    lines = passage.text.split("\n")
    longest = max(map(len, lines))
    if longest >= _SHORTEST_ENCODED:
        for ordinal, match in passage.ordinals(_ENCODED):
            if len(set(match[0][:2000])) >= _MANY_DIGITS:
                reader.mark("encoded", passage, ordinal, partial(_encoded, match[0]))
    if longest > LONG_LINE:
        for ordinal, line in enumerate(lines):
            if len(line) > LONG_LINE:
                reader.mark("long-line", passage, ordinal, partial(_long, line))


def _about_file(file: File) -> Iterator[tuple[str, str]]:
    """Return the codes and sentences about a file's kind and mode."""
    if file.symlink:
        target = next((p.text for p in passages(file, ADD)), "")
        away = " That is outside the folder of the patch." if target and leaves_tree(target.encode()) else ""
        points = f" and points to “{quoted(target)}”" if target else ""
        yield "symlink", f"The file is a symbolic link{points}.{away}"
    if file.submodule:
        yield "submodule", "The file is a submodule: the change is a commit of another repository, not shown here."
    if file.binary:
        yield "binary", "The content is binary and cannot be read here."
    if file.new_mode is not None and file.new_mode != file.old_mode:
        was = f"was {file.old_mode}" if file.old_mode else "the file is new"
        if _executable(file.new_mode) and not _executable(file.old_mode):
            yield "executable", f"The file becomes executable: its mode is {file.new_mode}, {was}."
        elif file.old_mode or file.new_mode not in ("100644", "120000", "160000"):
            yield "mode", f"The file's mode is {file.new_mode}, {was}."


def _executable(mode: str | None) -> bool:
    return mode is not None and mode.startswith("100") and any(digit in "1357" for digit in mode[3:])
