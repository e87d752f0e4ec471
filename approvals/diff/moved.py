"""Finds what two texts have in common: lines moved within a patch, lines where only blanks differ. Draws nothing.

Cost is bounded: past the limits a stretch stays unmarked.
"""

import re
from bisect import bisect_left
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from approvals.diff.context_hunks import merged
from approvals.diff.structure import ADD, CONTEXT, DELETE, NOTE, Diff, File, Hunk, without_ending

Pair = tuple[int, int]

FEWEST_LINES: Final = 3
_FEWEST_LETTERS: Final = 20  # letters and digits in a block; git's --color-moved=blocks asks for as many
_PLACES: Final = 8  # places compared for one block: a line repeated a thousand times has no one origin
_WORK: Final = 3_000_000  # table cells one patch may cost; about half a second
_LARGEST_TABLE: Final = 250_000  # cells of one stretch
_DEEPEST: Final = 12  # how often a stretch is split at the values that occur once in it


@dataclass(frozen=True, slots=True)
class Side:
    """Consecutive deleted or added lines of one hunk. `rows` are their places among the hunk's rows in `file_rows`.

    `key` is the file's; `first` and `last` are line numbers in the file (old for deleted lines), None where the hunk
    has none.
    """

    key: str
    path: str
    hunk: int
    rows: tuple[int, ...]
    first: int | None
    last: int | None


@dataclass(frozen=True, slots=True)
class Move:
    """A block deleted in one place and added in another. `indented` says that the blanks before its lines changed."""

    old: Side
    new: Side
    indented: bool

    @property
    def explanation(self) -> str:
        """Return the sentence for hover and keyboard."""
        lines = f"{len(self.new.rows)} lines moved from {_place(self.old)} to {_place(self.new)}"
        return f"{lines}; their indentation changed." if self.indented else f"{lines}."


@dataclass(frozen=True, slots=True)
class Respacing:
    """Lines of which only blanks or the line endings differ; the n-th of `old` became the n-th of `new`."""

    old: Side
    new: Side
    ending: bool

    @property
    def explanation(self) -> str:
        """Return the sentence for hover and keyboard."""
        return "Only the line ending differs." if self.ending else "Only blanks differ."


@dataclass(frozen=True, slots=True)
class Moves:
    """What was moved and what was only respaced, in the order of the patch."""

    moves: tuple[Move, ...]
    respacings: tuple[Respacing, ...]

    def of(self, key: str) -> dict[tuple[int, int], Move | Respacing]:
        """Return what there is to say about rows of a file, by hunk and row, both counted from 0."""
        items: list[Move | Respacing] = [*self.moves, *self.respacings]
        sides = [(side, item) for item in items for side in (item.old, item.new) if side.key == key]
        return {(side.hunk, row): item for side, item in sides for row in side.rows}


def moves(diff: Diff) -> Moves:
    """Return the moved blocks and the respaced lines of a patch; a line is in one of them at most.

    A block has at least `FEWEST_LINES` lines and 20 letters or digits, as with git's `--color-moved=blocks`. Blanks
    before a line do not count for a move; `Move.indented` tells them apart.
    """
    runs: list[_Run] = []
    for file in diff.files:
        runs.extend(_runs(file, len(runs)))
    aligner = Aligner(_WORK)
    respacings: list[Respacing] = []
    used: set[Pair] = set()  # run and place in it
    lines = _Numbers()
    for number, new in enumerate(runs):
        if new.code == ADD and new.follows is not None:
            old = runs[new.follows]
            for i, j, length, ending in _respaced(old, new, aligner):
                respacings.append(Respacing(old.side(i, i + length, lines), new.side(j, j + length, lines), ending))
                used.update((new.follows, i + k) for k in range(length))
                used.update((number, j + k) for k in range(length))
    return Moves(tuple(_moved(runs, used, lines)), tuple(respacings))


class Aligner:
    """Finds what two sequences have in common, in order, and stops looking when that has cost enough."""

    __slots__ = ("_work",)

    def __init__(self, work: int) -> None:
        self._work = work

    def common(self, old: Sequence[int], new: Sequence[int]) -> list[Pair]:
        """Return pairs of places with equal values, rising on both sides.

        Small stretches get the longest common subsequence; large ones are first cut at the values that occur once on
        both sides (Bram Cohen's patience diff), and stay unpaired where there are none.
        """
        found: list[Pair] = []
        stack = [(0, len(old), 0, len(new), 0)]
        while stack:
            start, end, at, until, depth = stack.pop()
            while start < end and at < until and old[start] == new[at]:
                found.append((start, at))
                start, at = start + 1, at + 1
            while start < end and at < until and old[end - 1] == new[until - 1]:
                end, until = end - 1, until - 1
                found.append((end, until))
            cells = (end - start) * (until - at)
            if cells and cells <= _LARGEST_TABLE and self._may(cells):
                found.extend((start + i, at + j) for i, j in _longest(old[start:end], new[at:until]))
            elif cells and depth < _DEEPEST:
                anchors = _anchors(old, new, range(start, end), range(at, until))
                ends = [*anchors[1:], (end, until)]
                stack.extend((i, k, j, m, depth + 1) for (i, j), (k, m) in zip(anchors, ends, strict=False))
                if anchors:
                    stack.append((start, anchors[0][0], at, anchors[0][1], depth + 1))
        return sorted(found)

    def _may(self, cost: int) -> bool:
        if cost > self._work:
            return False
        self._work -= cost
        return True


def _longest(old: Sequence[int], new: Sequence[int]) -> Iterator[Pair]:
    """Return a longest common subsequence, by the usual table."""
    rows, columns = len(old), len(new)
    best = [[0] * (columns + 1)]
    for i in range(rows - 1, -1, -1):
        below, row, value = best[-1], [0] * (columns + 1), old[i]
        for j in range(columns - 1, -1, -1):
            row[j] = below[j + 1] + 1 if value == new[j] else max(below[j], row[j + 1])
        best.append(row)
    best.reverse()
    i = j = 0
    while i < rows and j < columns:
        if old[i] == new[j]:
            yield i, j
            i, j = i + 1, j + 1
        elif best[i + 1][j] >= best[i][j + 1]:
            i += 1
        else:
            j += 1


def _anchors(old: Sequence[int], new: Sequence[int], before: range, after: range) -> list[Pair]:
    """Return the places of values that occur once on both sides, the most of them that do not cross."""
    olds, news = Counter(old[before.start : before.stop]), Counter(new[after.start : after.stop])
    places = {new[j]: j for j in after if news[new[j]] == 1}
    pairs = [(i, places[old[i]]) for i in before if olds[old[i]] == 1 and old[i] in places]
    piles: list[int] = []  # smallest end of a rising chain of each length (patience sorting)
    tops: list[int] = []
    previous: list[int | None] = []
    for number, (_, j) in enumerate(pairs):
        pile = bisect_left(piles, j)
        previous.append(tops[pile - 1] if pile else None)
        if pile == len(piles):
            piles.append(j)
            tops.append(number)
        else:
            piles[pile], tops[pile] = j, number
    chain: list[Pair] = []
    place = tops[-1] if tops else None
    while place is not None:
        chain.append(pairs[place])
        place = previous[place]
    return chain[::-1]


@dataclass(frozen=True, slots=True)
class _Run:
    """Consecutive lines of one hunk that do the same, notes passed over. `follows` is the run right before it."""

    file: File
    hunk: int
    code: int
    follows: int | None
    rows: list[int]
    lines: list[bytes]

    def side(self, start: int, end: int, numbers: "_Numbers") -> Side:
        """Return its lines from `start` up to `end`."""
        rows = tuple(self.rows[start:end])
        pairs = numbers.of(self.file, self.hunk)
        side = 0 if self.code == DELETE else 1
        return Side(self.file.key, self.file.path, self.hunk, rows, pairs[rows[0]][side], pairs[rows[-1]][side])


class _Numbers:
    """The line numbers of rows, found once for each hunk that somebody asks for."""

    __slots__ = ("_known",)

    def __init__(self) -> None:
        self._known: dict[tuple[str, int], list[tuple[int | None, int | None]]] = {}

    def of(self, file: File, place: int) -> list[tuple[int | None, int | None]]:
        """Return the old and the new number of each row of a hunk."""
        if (file.key, place) not in self._known:
            hunk = file.hunks[place]
            lines = merged(hunk) if hunk.form == "context" else hunk.walk()
            self._known[file.key, place] = [(line.old_no, line.new_no) for line in lines]
        return self._known[file.key, place]


def _runs(file: File, before: int) -> Iterator[_Run]:
    """Return the runs of a file; `before` is how many runs there are before its first."""
    number = before
    for place, hunk in enumerate(file.hunks):
        run: _Run | None = None
        near = False  # whether the line before, notes passed over, is the last of `run`
        for row, (code, line) in enumerate(_contents(hunk)):
            if code == NOTE:
                continue
            if code not in (DELETE, ADD):
                near = False
                continue
            if run is None or not near or run.code != code:
                if run:
                    yield run
                    number += 1
                run = _Run(file, place, code, number - 1 if run and near else None, [], [])
            run.rows.append(row)
            run.lines.append(line)
            near = True
        if run:
            yield run
            number += 1


def _contents(hunk: Hunk) -> Iterator[tuple[int, bytes]]:
    """Return what each row does and its line without the sign, in the order of `file_rows`."""
    if hunk.form == "context":
        for line in merged(hunk):
            yield _CODES.get(line.kind, CONTEXT), line.raw[2:]
    else:
        for raw, code in hunk.coded_lines:
            yield code, raw[hunk.sign_width :]


_CODES: Final = {"add": ADD, "delete": DELETE, "note": NOTE}


def _respaced(old: _Run, new: _Run, aligner: Aligner) -> Iterator[tuple[int, int, int, bool]]:
    """Return where neighbouring runs differ in blanks only: both places, how many lines, whether only endings do."""
    numbers: dict[bytes, int] = {}
    olds, news = ([numbers.setdefault(_squeezed(line), len(numbers)) for line in run.lines] for run in (old, new))
    block: tuple[int, int, int, bool] | None = None
    for i, j in aligner.common(olds, news):
        if old.lines[i] == new.lines[j]:
            continue
        ending = without_ending(old.lines[i]) == without_ending(new.lines[j])
        if block and (i - block[2], j - block[2], ending) == (block[0], block[1], block[3]):
            block = (block[0], block[1], block[2] + 1, ending)
        else:
            if block:
                yield block
            block = (i, j, 1, ending)
    if block:
        yield block


def _squeezed(line: bytes) -> bytes:
    """Return a line without ASCII blanks, but with a sign where they part two words; other blanks are content."""
    return _BLANKS.sub(b"", _BETWEEN_WORDS.sub(b"\n", line.rstrip(b" \t\r\n").lstrip(b" \t")))


_BETWEEN_WORDS: Final = re.compile(rb"(?<=[\w\x80-\xff])[ \t]+(?=[\w\x80-\xff])")
_BLANKS: Final = re.compile(rb"[ \t]+")


def _moved(runs: Sequence[_Run], used: set[Pair], lines: _Numbers) -> Iterator[Move]:
    """Match blocks of added lines with blocks of deleted ones, the longest first found; `used` lines are left out."""
    numbers: dict[bytes, int] = {}
    keys = [[numbers.setdefault(line.strip(), len(numbers)) for line in run.lines] for run in runs]
    origins = _origins(runs, keys)
    for new, run in enumerate(runs):
        j = 0
        while run.code == ADD and j + FEWEST_LINES <= len(run.lines):
            candidates = origins.get(tuple(keys[new][j : j + FEWEST_LINES]), ())
            lengths = [(_length(keys[old], i, keys[new], j, old, new, used), old, i) for old, i in candidates]
            length, old, i = max(lengths, key=lambda found: found[0], default=(0, 0, 0))
            if length >= FEWEST_LINES and _says_something(run.lines[j : j + length]):
                used.update((old, i + k) for k in range(length))
                used.update((new, j + k) for k in range(length))
                indented = runs[old].lines[i : i + length] != run.lines[j : j + length]
                yield Move(runs[old].side(i, i + length, lines), run.side(j, j + length, lines), indented)
            j += max(length, 1)


def _origins(runs: Sequence[_Run], keys: Sequence[Sequence[int]]) -> dict[tuple[int, ...], list[Pair]]:
    """Return where each sequence of `FEWEST_LINES` lines is deleted, the first `_PLACES` places."""
    origins: dict[tuple[int, ...], list[Pair]] = defaultdict(list)
    for old, run in enumerate(runs):
        for i in range(len(run.lines) - FEWEST_LINES + 1) if run.code == DELETE else ():
            places = origins[tuple(keys[old][i : i + FEWEST_LINES])]
            if len(places) < _PLACES:
                places.append((old, i))
    return origins


def _length(olds: Sequence[int], i: int, news: Sequence[int], j: int, old: int, new: int, used: set[Pair]) -> int:
    """Return how many lines from two places on are equal and not used."""
    length = 0
    while i + length < len(olds) and j + length < len(news) and olds[i + length] == news[j + length]:
        if (old, i + length) in used or (new, j + length) in used:
            break
        length += 1
    return length


def _says_something(lines: Sequence[bytes]) -> bool:
    """Tell whether a block is more than braces and blank lines."""
    letters = 0
    for line in lines:
        letters += len(_LETTERS.sub(b"", line))
        if letters >= _FEWEST_LETTERS:
            return True
    return False


_LETTERS: Final = re.compile(rb"[^A-Za-z0-9\x80-\xff]+")


def _place(side: Side) -> str:
    return f"{side.path} line {side.first}" if side.first is not None else side.path
