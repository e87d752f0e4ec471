"""What a parsed patch is made of. Only the data and what follows from it; reading patch text is in `parse`."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final, Literal, TypedDict

Change = Literal["modified", "added", "deleted", "renamed", "copied", "mode"]
Form = Literal["unified", "context", "combined", "normal", "ed"]
Kind = Literal["context", "add", "delete", "note", "other"]
TextKind = Literal["mail", "preamble", "between", "footer", "raw", "sent"]

# One byte per line of a hunk. A patch of 5 MB can hold 2.5 million lines: one object each would cost seconds, so
# hunks keep raw lines and these codes, and `Hunk.lines` builds the objects for the hunks somebody looks at.
CONTEXT: Final = ord(" ")
EATEN: Final = ord("~")  # a context line whose leading blank was lost on the way
ADD: Final = ord("+")
DELETE: Final = ord("-")
NOTE: Final = ord("\\")  # `\ No newline at end of file`
DIVIDER: Final = ord("=")  # `--- 1,5 ----` between the two halves of a context hunk
OTHER: Final = ord("?")  # a line inside a hunk that is none of the above
STRAY: Final = ord("#")  # text between this hunk and the next one, kept where it stood

_KINDS: Final[dict[int, Kind]] = {
    CONTEXT: "context",
    EATEN: "context",
    ADD: "add",
    DELETE: "delete",
    NOTE: "note",
    DIVIDER: "note",
    OTHER: "other",
    STRAY: "other",
}


class WarningFacts(TypedDict):
    """A warning as plain values."""

    code: str
    message: str
    file: str | None
    line: int | None


def decoded(raw: bytes) -> str:
    """Return the text to show for raw bytes: UTF-8, or Latin-1 where that is not what they are. Never raises."""
    try:
        return raw.decode()
    except UnicodeDecodeError:
        return raw.decode("latin-1")


def without_ending(raw: bytes) -> bytes:
    """Return a line without its LF or CRLF; a CR anywhere else is content."""
    if raw.endswith(b"\r\n"):
        return raw[:-2]
    return raw[:-1] if raw.endswith(b"\n") else raw


@dataclass(frozen=True, slots=True)
class Warning:
    """Something odd, in words a reviewer reads. `line` counts from 1 in the patch text."""

    code: str
    message: str
    file: str | None = None
    line: int | None = None

    def facts(self) -> WarningFacts:
        """Return the warning as JSON-able values."""
        return {"code": self.code, "message": self.message, "file": self.file, "line": self.line}


@dataclass(frozen=True, slots=True)
class Line:
    """One line of a hunk. `text` has neither the sign nor the line ending; `ending` is LF, CRLF or empty."""

    kind: Kind
    raw: bytes
    text: str
    old_no: int | None
    new_no: int | None
    ending: str


@dataclass(frozen=True, slots=True)
class Hunk:
    """One hunk. Starts and counts are as announced, None where the header has no numbers.

    `line` is where its header stands in the patch, counted from 1; `sign_width` is how many characters
    before the text say what happened to a line (1 unified, 2 context, one per parent in a combined diff).
    """

    form: Form
    line: int
    header: bytes
    heading: str
    old_start: int | None
    old_count: int | None
    new_start: int | None
    new_count: int | None
    sign_width: int
    raw_lines: tuple[bytes, ...]
    codes: bytes

    @property
    def first_line(self) -> int:
        """Return where the line after its header stands in the patch, counted from 1."""
        return self.line + self.header.count(b"\n")

    @property
    def additions(self) -> int:
        """Return how many lines the hunk adds."""
        return self.codes.count(ADD)

    @property
    def deletions(self) -> int:
        """Return how many lines the hunk deletes."""
        return self.codes.count(DELETE)

    @property
    def coded_lines(self) -> Iterator[tuple[bytes, int]]:
        """Return each raw line with its code, without building `Line` objects."""
        return zip(self.raw_lines, self.codes, strict=True)

    @property
    def is_plain(self) -> bool:
        """Return whether each line is whole, begins with its code and is unchanged, added or deleted: most hunks."""
        raw = self.raw_lines
        return (
            self.form == "unified"
            and self.sign_width == 1
            and not self.codes.translate(None, b" +-")
            and bytes([line[0] for line in raw]) == self.codes
            and all(line.endswith(b"\n") for line in raw[-1:])
        )

    @property
    def lines(self) -> tuple[Line, ...]:
        """Build all lines in the order of the patch text. Costs about a microsecond a line: ask once."""
        return tuple(self.walk())

    def walk(self) -> Iterator[Line]:
        """Build the lines one by one, for those who need only the first of a large hunk."""
        return self._halves() if self.form == "context" else self._numbered(self.raw_lines, self.codes)

    def to_bytes(self) -> bytes:
        """Return the hunk as it stood in the patch."""
        return self.header + b"".join(self.raw_lines)

    def _halves(self) -> Iterator[Line]:
        """Number a context hunk: the old half counts old lines only, the new half new lines only."""
        cut = self.codes.find(DIVIDER)
        cut = len(self.codes) if cut < 0 else cut
        for line in self._numbered(self.raw_lines[:cut], self.codes[:cut]):
            yield Line(line.kind, line.raw, line.text, line.old_no, None, line.ending)
        for line in self._numbered(self.raw_lines[cut:], self.codes[cut:]):
            yield Line(line.kind, line.raw, line.text, None, line.new_no, line.ending)

    def _numbered(self, raw_lines: tuple[bytes, ...], codes: bytes) -> Iterator[Line]:
        old, new = self.old_start, self.new_start
        for raw, code in zip(raw_lines, codes, strict=True):
            bare = without_ending(raw)
            ending = raw[len(bare) :].decode("ascii")
            old_here = new_here = None
            if code in (CONTEXT, EATEN, DELETE) and self._in_first_parent(raw, code):
                old_here, old = old, _next(old)
            if code in (CONTEXT, EATEN, ADD):
                new_here, new = new, _next(new)
            text = decoded(bare[self.sign_width :] if code in (CONTEXT, ADD, DELETE) else bare)
            yield Line(_KINDS[code], raw, text, old_here, new_here, ending)

    def _in_first_parent(self, raw: bytes, code: int) -> bool:
        """Tell whether the line existed in the (first) parent; in a combined diff others may have had it."""
        return self.form != "combined" or raw[:1] == (b"-" if code == DELETE else b" ")


@dataclass(frozen=True, slots=True)
class File:
    """One changed file. `header_lines`, `hunks` and `trailer` (a binary section) are its part of the patch, in order.

    `old_path` and `new_path` are None where the file does not exist on that side. `sha256` (hex) and `size` (bytes) are
    those of its part of the patch; `key` is made from the path and unique in this patch, fit for a DOM id.
    """

    key: str
    path: str
    old_path: str | None
    new_path: str | None
    change: Change
    old_mode: str | None
    new_mode: str | None
    similarity: int | None
    binary: bool
    symlink: bool
    submodule: bool
    mixed_endings: bool
    line: int
    header_lines: tuple[bytes, ...]
    hunks: tuple[Hunk, ...]
    trailer: tuple[bytes, ...]
    additions: int
    deletions: int
    size: int
    sha256: str

    @property
    def binary_content(self) -> bytes:
        """Return what is applied of a binary file: its section, and the object of the index line, which git takes
        instead where it has it."""
        index = [line for line in self.header_lines if line.startswith(b"index ")] if self.binary else []
        return b"".join((*index, *self.trailer))

    @property
    def line_count(self) -> int:
        """Return how many lines its hunks have, for deciding what to fold."""
        return sum(len(hunk.codes) for hunk in self.hunks)

    def to_bytes(self) -> bytes:
        """Return the file's part of the patch as it stood there."""
        return b"".join((*self.header_lines, *(hunk.to_bytes() for hunk in self.hunks), *self.trailer))


@dataclass(frozen=True, slots=True)
class Text:
    """Patch text that belongs to no file: mail headers, a commit message, a footer, words between files."""

    kind: TextKind
    line: int
    raw_lines: tuple[bytes, ...]

    @property
    def text(self) -> str:
        """Return the words for display."""
        return decoded(self.to_bytes())

    def to_bytes(self) -> bytes:
        """Return the text as it stood in the patch."""
        return b"".join(self.raw_lines)


@dataclass(frozen=True, slots=True)
class Diff:
    """A whole patch: every byte of it is in exactly one of `chunks`. `files` are those chunks that are files.

    Of an encoded mail `chunks` are what it says, and `sent` is the mail as it came. `beyond` are warnings that were too
    many to list, which stand at their lines only; `codes` are those of all warnings.
    """

    chunks: tuple[Text | File, ...]
    files: tuple[File, ...]
    warnings: tuple[Warning, ...]
    additions: int
    deletions: int
    parsed: bool
    codes: frozenset[str] = frozenset()
    sent: Text | None = None
    beyond: tuple[Warning, ...] = ()

    @property
    def line_count(self) -> int:
        """Return how many lines all hunks have together."""
        return sum(file.line_count for file in self.files)

    def to_bytes(self) -> bytes:
        """Return the patch exactly as it came, put together from its parts."""
        if self.sent is not None:
            return self.sent.to_bytes()
        return b"".join(chunk.to_bytes() for chunk in self.chunks)


def _next(number: int | None) -> int | None:
    return None if number is None else number + 1
