"""Compares two revisions of a patch, file by file and line by line. Draws through `rows`.

What is compared are the lines of the two patches with what each does (adds, deletes, surrounds); names, modes, places
and counts are told in sentences. Cost is bounded: past
the limits a stretch is shown as replaced, and nothing is left out.
"""

import re
from bisect import bisect_left, bisect_right
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import islice, pairwise
from typing import Final, Literal

from approvals.diff.agreement import AMBIGUOUS
from approvals.diff.beside_lines import applied_in_words, notes_of, words_of
from approvals.diff.context_hunks import merged
from approvals.diff.mail import without_head
from approvals.diff.moved import Aligner, Pair
from approvals.diff.rows import HunkRows, Row, file_rows
from approvals.diff.scope import unversioned
from approvals.diff.structure import ADD, CONTEXT, DELETE, EATEN, NOTE, STRAY, Diff, File, Hunk, Line

Status = Literal["unchanged", "changed", "only_old", "only_new"]
Entry = tuple[int, bytes]  # what a line does, as a code of `structure`, and the line as a unified patch writes it

_READ_IN_WORDS: Final = frozenset(("note-place", "odd-mail", "stray-header", "version-word"))
_CONTENTS: Final = re.compile(
    rb"index (?!0+\.|e69de29)[0-9a-f]{7,64}\.\.(?!0+\b|e69de29)[0-9a-f]{7,64}(?= [0-7]{6}\n|\n)"
)
_NUMBERS: Final = re.compile(rb"@@ -\d+(?:,\d+)? \+\d+(?:,\d+)? @@(?: [^\r\n]*)?\n")
SURROUNDINGS: Final = 3  # equal lines shown before and after a difference
_WORK: Final = 3_000_000  # table cells one comparison may cost; about half a second


@dataclass(frozen=True, slots=True)
class Step:
    """A run of lines: in both patches (`CONTEXT`), only in the old one (`DELETE`) or only in the new one (`ADD`)."""

    code: int
    old: range
    new: range

    def __len__(self) -> int:
        return max(len(self.old), len(self.new))

    def part(self, first: int, last: int) -> "Step":
        """Return the lines from `first` up to `last`."""
        return Step(self.code, self.old[first:last], self.new[first:last])

    def places(self) -> Iterator[tuple[int | None, int | None]]:
        """Return where each line stands in the old and in the new patch."""
        if self.code == CONTEXT:
            yield from zip(self.old, self.new, strict=True)
        else:
            yield from ((place, None) for place in self.old)
            yield from ((None, place) for place in self.new)


@dataclass(frozen=True, slots=True)
class FileComparison:
    """What became of one file's part of the patch; `additions` and `deletions` count the patch lines that differ.

    `context_only` says that both revisions change the same lines and only what surrounds them differs; `notes` are
    sentences about modes, names and binary content. `comparison_rows` draws it.
    """

    key: str
    path: str
    status: Status
    old: File | None
    new: File | None
    additions: int
    deletions: int
    context_only: bool
    notes: tuple[str, ...]
    hunks: tuple[tuple[Step, ...], ...]

    @property
    def line_count(self) -> int:
        """Return how many rows it has, for deciding what to fold."""
        return sum(len(step) for hunk in self.hunks for step in hunk)


@dataclass(frozen=True, slots=True)
class Comparison:
    """Two revisions compared: files in the order of the new one, then those only the old one has; the words around.

    `words_applied` says that a tool may take some of the words of either revision for a change, `read_otherwise` that
    tools disagree about one of them and need not make the same change of both.
    """

    files: tuple[FileComparison, ...]
    message: FileComparison
    words_applied: bool
    read_otherwise: bool

    def of(self, status: Status) -> tuple[FileComparison, ...]:
        """Return the files of one status."""
        return tuple(file for file in self.files if file.status == status)

    @property
    def same(self) -> bool:
        """Tell whether no file differs; the words around may, and see `words_applied`."""
        return all(file.status == "unchanged" for file in self.files)


def compare(old: Diff, new: Diff) -> Comparison:
    """Compare two revisions of a patch; `compare(new, old)` is the same with sides changed."""
    pairs = _pairs(old.files, new.files)
    # The order of work must not depend on which side is which, or a spent budget would show other differences.
    order = sorted(range(len(pairs)), key=lambda i: sorted(file.path for file in pairs[i] if file is not None))
    aligner = Aligner(_WORK)
    compared = {i: _compared(*pairs[i], aligner) for i in order}
    message = _compared(words_of(old), words_of(new), aligner)
    applied = applied_in_words(old) or applied_in_words(new)
    otherwise = _read_otherwise(old, new, message.status != "unchanged")
    return Comparison(tuple(compared[i] for i in range(len(pairs))), message, applied, otherwise)


def _read_otherwise(old: Diff, new: Diff, words_differ: bool) -> bool:
    """Tell whether tools disagree about a revision, and the marks, the headers or the order of the files differ, or the
    words where these are what tools disagree about."""
    marks = [
        Counter(found.code for found in (*diff.warnings, *diff.beyond) if found.code in AMBIGUOUS)
        for diff in (old, new)
    ]
    if not any(marks):
        return False
    if words_differ and any(codes.keys() & _READ_IN_WORDS for codes in marks):
        return True
    return marks[0] != marks[1] or _headers(old) != _headers(new) or _sent_body(old) != _sent_body(new)


def _headers(diff: Diff) -> list[list[bytes]]:
    """Return the lines of all headers without what git calls the contents, and the odd headers of hunks."""
    return [
        [
            *(_CONTENTS.sub(b"index", line) for line in file.header_lines),
            *(hunk.header for hunk in file.hunks if not _NUMBERS.fullmatch(hunk.header)),
        ]
        for file in diff.files
    ]


def _sent_body(diff: Diff) -> bytes:
    """Return what follows the header lines of an encoded mail as it came, b"" of other patches."""
    return without_head(diff.sent.to_bytes()) if diff.sent else b""


def comparison_rows(item: FileComparison, *, first: int = 0, count: int | None = None) -> tuple[HunkRows, ...]:
    """Return rows as `file_rows` does for a file: `del` stands only in the old revision, `add` only in the new one.

    The text of a row begins with the sign it has in its patch; its numbers are those of the changed file, for the old
    and for the new revision.
    """
    file = item.new or item.old
    assert file is not None, "a comparison has a file on one side at least"
    old, new = _Lines(item.old), _Lines(item.new)
    wanted = list(_window(item.hunks, first, item.line_count if count is None else first + count))
    hunks = tuple(_drawn(steps, old, new) for steps in wanted)
    mixed = any(side is not None and side.mixed_endings for side in (item.old, item.new))
    shown = file_rows(replace(file, hunks=hunks, mixed_endings=mixed))
    return tuple(_renumbered(hunk, steps, old, new) for hunk, steps in zip(shown, wanted, strict=True))


def _window(hunks: Iterable[Sequence[Step]], first: int, last: int) -> Iterator[list[Step]]:
    """Return the parts of hunks that the lines from `first` up to `last` are in, counted over all hunks."""
    position = 0
    for steps in hunks:
        kept = []
        for step in steps:
            kept.append(step.part(max(first - position, 0), max(last - position, 0)))
            position += len(step)
        if any(map(len, kept)):
            yield [step for step in kept if len(step)]


def _pairs(old: Sequence[File], new: Sequence[File]) -> list[tuple[File | None, File | None]]:
    """Pair files: the n-th of a path with the n-th, then those whose paths differ by a version's folder only."""
    pairs: list[tuple[File | None, File | None]] = [(None, file) for file in new]
    left = list(old)
    for name in (str, unversioned):
        waiting: dict[str, list[File]] = defaultdict(list)
        for file in reversed(left):
            waiting[name(file.path)].append(file)
        for i, (before, after) in enumerate(pairs):
            if before is None and after is not None and waiting[name(after.path)]:
                pairs[i] = (waiting[name(after.path)].pop(), after)
        rest = {id(file) for files in waiting.values() for file in files}
        left = [file for file in left if id(file) in rest]
    return [*pairs, *((file, None) for file in left)]


def _compared(old: File | None, new: File | None, aligner: Aligner) -> FileComparison:
    file = new or old
    assert file is not None, "a pair has a file on one side at least"
    if old and new and old.sha256 == new.sha256:
        return FileComparison(file.key, file.path, "unchanged", old, new, 0, 0, False, (), ())
    before, after = _Lines(old), _Lines(new)
    steps = _steps(before.entries, after.entries, aligner)
    notes = tuple(notes_of(old, new)) if old and new else ()
    deletions, additions = (sum(len(step) for step in steps if step.code == code) for code in (DELETE, ADD))
    status: Status = "changed" if notes or deletions or additions else "unchanged"
    if old is None or new is None:
        status = "only_new" if old is None else "only_old"
    same_change = before.changes() == after.changes() != []
    hunks = tuple(_folded(_cut(steps, before.starts, after.starts))) if deletions or additions else ()
    context_only = status == "changed" and same_change and bool(hunks)
    return FileComparison(file.key, file.path, status, old, new, additions, deletions, context_only, notes, hunks)


class _Lines:
    """The lines of a file's part of a patch in unified form: entries, and the places where its hunks start."""

    __slots__ = ("_numbers", "_unnumbered", "entries", "file", "starts")

    def __init__(self, file: File | None) -> None:
        self.file = file
        self.entries: list[Entry] = []
        self.starts: list[int] = []
        self._numbers: list[int | None] = []
        self._unnumbered = self._walk()
        for hunk in file.hunks if file else ():
            self.starts.append(len(self.entries))
            if hunk.form == "context":
                self.entries.extend(_unified(line) for line in merged(hunk))
            elif EATEN in hunk.codes:
                self.entries.extend((CONTEXT, b" " + e[0]) if e[1] == EATEN else (e[1], e[0]) for e in hunk.coded_lines)
            else:
                self.entries.extend(zip(hunk.codes, hunk.raw_lines, strict=True))

    def changes(self) -> list[Entry]:
        """Return the lines that delete or add."""
        return [entry for entry in self.entries if entry[0] in (DELETE, ADD)]

    def number(self, place: int | None) -> int | None:
        """Return the line number of an entry in the changed file, that of a deleted line in the old one."""
        if place is None:
            return None
        self._numbers.extend(islice(self._unnumbered, max(0, place + 1 - len(self._numbers))))
        return self._numbers[place]

    def _walk(self) -> Iterator[int | None]:
        for hunk in self.file.hunks if self.file else ():
            for line in merged(hunk) if hunk.form == "context" else hunk.walk():
                yield line.old_no if line.new_no is None else line.new_no

    def entry(self, place: int | None) -> Entry:
        """Return an entry; a place is None only where the other side is asked."""
        return self.entries[place or 0]

    def heading(self, place: int | None) -> str:
        """Return the heading of the hunk an entry stands in."""
        return self.file.hunks[bisect_right(self.starts, place or 0) - 1].heading if self.file else ""


def _unified(line: Line) -> Entry:
    """Return a line of a context hunk as a unified patch has it."""
    if line.kind not in _CODES:
        return (NOTE if line.kind == "note" else STRAY), line.raw
    code = _CODES[line.kind]
    bare = line.raw if line.raw[:1] in b"\t\r\n" else line.raw[2:] or b"\n"
    return code, bytes((code,)) + bare


_CODES: Final = {"context": CONTEXT, "add": ADD, "delete": DELETE}


def _steps(old: list[Entry], new: list[Entry], aligner: Aligner) -> list[Step]:
    """Return the runs of equal and of differing lines; those of `(new, old)` are the same with sides changed."""
    numbers: dict[Entry, int] = {}
    first, second = (old, new) if old <= new else (new, old)
    a, b = ([numbers.setdefault(entry, len(numbers)) for entry in side] for side in (first, second))
    pairs = aligner.common(a, b)
    if first is new:
        pairs = [(i, j) for j, i in pairs]
    steps: list[Step] = []
    i = j = 0
    for at_old, at_new, length in [*_joined(pairs), (len(old), len(new), 0)]:
        steps.append(Step(DELETE, range(i, at_old), range(0)))
        steps.append(Step(ADD, range(0), range(j, at_new)))
        i, j = at_old + length, at_new + length
        steps.append(Step(CONTEXT, range(at_old, i), range(at_new, j)))
    return [step for step in steps if len(step)]


def _joined(pairs: Iterable[Pair]) -> Iterator[tuple[int, int, int]]:
    """Join pairs that follow each other on both sides: the places of the first and how many there are."""
    start, at, length = 0, 0, 0
    for i, j in pairs:
        if (i, j) == (start + length, at + length):
            length += 1
        else:
            if length:
                yield start, at, length
            start, at, length = i, j, 1
    if length:
        yield start, at, length


def _cut(steps: Sequence[Step], olds: Sequence[int], news: Sequence[int]) -> Iterator[list[Step]]:
    """Cut where a hunk of either revision starts: what stands before and after it is not neighbouring text."""
    group: list[Step] = []
    fresh = False
    for step in steps:
        starts = {*_within(step.old, olds), *_within(step.new, news)}
        for first, last in pairwise(sorted({0, *starts, len(step)})):
            at_start = first in starts
            # A hunk whose first lines differ starts on both sides, one after the other: that is one start.
            if group and at_start and not (fresh and step.code == ADD and first == 0):
                yield group
                group = []
            group.append(step.part(first, last))
            fresh = at_start and step.code == DELETE and first == 0 and last == len(step)
    if group:
        yield group


def _within(run: range, starts: Sequence[int]) -> list[int]:
    """Return which of the rising starts lie in a run, counted from its beginning."""
    return [at - run.start for at in starts[bisect_left(starts, run.start) : bisect_left(starts, run.stop)]]


def _folded(groups: Iterable[list[Step]]) -> Iterator[tuple[Step, ...]]:
    """Keep of equal lines only those near a difference; where some are left out in the middle, a hunk ends."""
    for group in groups:
        hunk: list[Step] = []
        for place, step in enumerate(group):
            if step.code != CONTEXT:
                hunk.append(step)
                continue
            before, after = place > 0, place < len(group) - 1
            if before and after and len(step) <= 2 * SURROUNDINGS:
                hunk.append(step)
                continue
            if before:
                yield (*hunk, step.part(0, SURROUNDINGS))
            hunk = [step.part(max(0, len(step) - SURROUNDINGS), len(step))] if after else []
        if hunk:
            yield tuple(hunk)


def _drawn(steps: Sequence[Step], old: _Lines, new: _Lines) -> Hunk:
    """Return a hunk whose lines are patch lines, so that what draws patches draws it."""
    places = [place for step in steps for place in step.places()]
    codes = b"".join(bytes((step.code,)) * len(step) for step in steps)
    entries = (old.entry(i) if j is None else new.entry(j) for i, j in places)
    raw_lines = tuple(bytes((code,)) + raw for code, (_, raw) in zip(codes, entries, strict=True))
    first_old = next((n for i, _ in places if (n := old.number(i)) is not None), None)
    first_new = next((n for _, j in places if (n := new.number(j)) is not None), None)
    header = b"@@ " + (b"-%d " % first_old if first_old else b"") + (b"+%d " % first_new if first_new else b"") + b"@@"
    i, j = places[0]
    heading = old.heading(i) if j is None else new.heading(j)
    deleted, added = codes.count(DELETE), codes.count(ADD)
    both = len(codes) - deleted - added
    return Hunk("unified", 1, header, heading, 1, both + deleted, 1, both + added, 1, raw_lines, codes)


def _renumbered(hunk: HunkRows, steps: Sequence[Step], old: _Lines, new: _Lines) -> HunkRows:
    """Give rows the line numbers of the files; side by side they are the same rows."""
    places = (place for step in steps for place in step.places())
    rows = {id(row): _at(row, old.number(i), new.number(j)) for row, (i, j) in zip(hunk.rows, places, strict=True)}
    pairs = tuple((left and rows[id(left)], right and rows[id(right)]) for left, right in hunk.pairs)
    header = "" if hunk.header == "@@ @@" else hunk.header
    return HunkRows(header, hunk.heading, tuple(rows.values()), pairs)


def _at(row: Row, old: int | None, new: int | None) -> Row:
    return replace(row, old="" if old is None else str(old), new="" if new is None else str(new))
