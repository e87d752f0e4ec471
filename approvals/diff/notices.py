"""Collects warnings while a patch is read and keeps their number bearable. What is odd is decided by the readers."""

from collections import Counter

from approvals.diff.structure import Warning

PER_CODE = 8  # so that a thousand wrong hunks cannot crowd out the one symlink
TOTAL = 100
SHOWN_PATH = 200  # characters of a path quoted in a message


class Notices:
    """The warnings of one patch, in the order they were met, capped per code and in all."""

    __slots__ = ("_kept", "_seen")

    def __init__(self) -> None:
        self._kept: list[Warning] = []
        self._seen: Counter[str] = Counter()

    def add(self, code: str, message: str, file: str | None = None, line: int | None = None) -> None:
        """Keep a warning, or only count it once there are enough of its code."""
        self._seen[code] += 1
        if self._seen[code] <= PER_CODE:
            self._kept.append(Warning(code, message, file, line))

    @property
    def codes(self) -> frozenset[str]:
        """Return the codes met, also those of which only the number is kept."""
        return frozenset(self._seen)

    def close(self) -> tuple[Warning, ...]:
        """Return the warnings in patch order, with one line for each code that had more, at most `TOTAL` + 1 in all."""
        kept = sorted(self._kept, key=lambda warning: warning.line or 0)
        for code, count in self._seen.items():
            if count > PER_CODE:
                kept.append(Warning(code, f"{count - PER_CODE:,} more of this kind ({code})."))
        if len(kept) > TOTAL:
            kept[TOTAL:] = [Warning("more", f"{len(kept) - TOTAL:,} more warnings.")]
        return tuple(kept)


def shortened(path: str) -> str:
    """Return a path short enough for a sentence."""
    return path if len(path) <= SHOWN_PATH else f"{path[:SHOWN_PATH]}…"


def counted(number: int, noun: str) -> str:
    """Return '1 line', '2 lines'."""
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"
