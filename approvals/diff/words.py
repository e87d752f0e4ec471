"""Which deleted line became which added line, and which characters changed between them. Draws nothing.

Cost is bounded: comparing is quadratic, so runs, lines and the sum of all comparisons of a file have limits. Past them
lines are paired in order, or nothing is marked; nothing is left out.
"""

import re
from collections import Counter
from collections.abc import Sequence
from difflib import SequenceMatcher

Range = tuple[int, int]
Marks = tuple[list[Range], list[Range]]
Pair = tuple[int | None, int | None]

_WORD = re.compile(r"\w+|\s+|[^\w\s]")
_LONGEST_LINE = 500  # characters
_LARGEST_MIDDLE = 80  # tokens left after the common beginning and end; SequenceMatcher is cubic at worst
_LARGEST_RUN = 900  # deleted times added lines of one run
_ALIKE = 0.5  # share of text two lines must have in common to count as one line changed
_FILE_WORK = 400_000  # token comparisons a file may cost; about half a second at worst


class Words:
    """Compares the lines of one file and stops comparing when the file has cost enough."""

    __slots__ = ("_work",)

    def __init__(self, work: int = _FILE_WORK) -> None:
        self._work = work

    def pairs(self, deleted: Sequence[str], added: Sequence[str]) -> list[Pair]:
        """Return pairs of indexes in reading order; None where a line has no counterpart."""
        cells = len(deleted) * len(added)
        if not cells:
            return [*((i, None) for i in range(len(deleted))), *((None, j) for j in range(len(added)))]
        if cells == 1 or cells > _LARGEST_RUN or not self._may(cells * 4):
            return _in_order(len(deleted), len(added))
        return _aligned(_likeness(deleted, added))

    def marks(self, old: str, new: str) -> Marks:
        """Return the changed character ranges of both lines; none where they have little in common or cost too much."""
        if max(len(old), len(new)) > _LONGEST_LINE or old == new:
            return [], []
        old_words, new_words = _WORD.findall(old), _WORD.findall(new)
        start, end = _common(old_words, new_words)
        old_middle, new_middle = old_words[start : len(old_words) - end], new_words[start : len(new_words) - end]
        before, after = sum(map(len, old_words[:start])), sum(map(len, old_words[len(old_words) - end :]))
        cells = len(old_middle) * len(new_middle)
        if max(len(old_middle), len(new_middle)) > _LARGEST_MIDDLE or not self._may(cells):
            whole = ([(before, len(old) - after)], [(before, len(new) - after)])
            return whole if _share(before + after, old, new) >= _ALIKE else ([], [])
        blocks = SequenceMatcher(None, old_middle, new_middle, autojunk=False).get_opcodes()
        same = sum(len("".join(old_middle[i1:i2])) for tag, i1, i2, _, _ in blocks if tag == "equal")
        if _share(before + after + same, old, new) < _ALIKE:
            return [], []
        changed = [block for block in blocks if block[0] != "equal"]
        return (
            _ranges(old_middle, [(i1, i2) for _, i1, i2, _, _ in changed], before),
            _ranges(new_middle, [(j1, j2) for _, _, _, j1, j2 in changed], before),
        )

    def _may(self, cost: int) -> bool:
        self._work -= cost
        return self._work > 0


def _in_order(deleted: int, added: int) -> list[Pair]:
    return [(i if i < deleted else None, i if i < added else None) for i in range(max(deleted, added))]


def _common(old: list[str], new: list[str]) -> tuple[int, int]:
    """Return how many words both begin and, after that, end with."""
    shortest = min(len(old), len(new))
    start = next((i for i in range(shortest) if old[i] != new[i]), shortest)
    rest = shortest - start
    end = next((i for i in range(rest) if old[-1 - i] != new[-1 - i]), rest)
    return start, end


def _share(same: int, old: str, new: str) -> float:
    """Return the share of characters two lines have in common (Ratcliff and Obershelp's ratio)."""
    return 2 * same / (len(old) + len(new))


def _ranges(words: list[str], spans: list[Range], offset: int) -> list[Range]:
    """Turn spans of words into ranges of characters, leaving out empty ones."""
    starts = [offset]
    for word in words:
        starts.append(starts[-1] + len(word))
    return [(starts[first], starts[last]) for first, last in spans if last > first]


def _likeness(deleted: Sequence[str], added: Sequence[str]) -> list[list[float]]:
    """Return how alike each deleted line is to each added one, by the words they share, whatever their order."""
    olds = [Counter(_WORD.findall(line[:_LONGEST_LINE].strip())) for line in deleted]
    news = [Counter(_WORD.findall(line[:_LONGEST_LINE].strip())) for line in added]
    old_sizes, new_sizes = [old.total() for old in olds], [new.total() for new in news]
    result = []
    for old, old_size in zip(olds, old_sizes, strict=True):
        row = []
        for new, new_size in zip(news, new_sizes, strict=True):
            small, large = (old, new) if len(old) < len(new) else (new, old)
            shared = sum(min(count, large[word]) for word, count in small.items())
            row.append(2 * shared / (old_size + new_size) if old_size + new_size else 1.0)
        result.append(row)
    return result


def _aligned(like: list[list[float]]) -> list[Pair]:
    """Choose pairs that do not cross so that their likeness adds up to the most; unlike lines stay alone."""
    rows, columns = len(like), len(like[0])
    best = [[0.0] * (columns + 1) for _ in range(rows + 1)]
    for i in range(rows - 1, -1, -1):
        for j in range(columns - 1, -1, -1):
            pair = best[i + 1][j + 1] + like[i][j] if like[i][j] > _ALIKE else -1.0
            best[i][j] = max(pair, best[i + 1][j], best[i][j + 1])
    result: list[Pair] = []
    i = j = 0
    while i < rows and j < columns:
        if like[i][j] > _ALIKE and best[i][j] == best[i + 1][j + 1] + like[i][j]:
            result.append((i, j))
            i, j = i + 1, j + 1
        elif best[i][j] == best[i + 1][j]:
            result.append((i, None))
            i += 1
        else:
            result.append((None, j))
            j += 1
    return [*result, *((i, None) for i in range(i, rows)), *((None, j) for j in range(j, columns))]
