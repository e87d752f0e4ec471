"""The patch text as lines, with the time left for reading it. Knows nothing of diff formats."""

import io
import time


class BudgetSpent(Exception):
    """Reading took longer than it may."""


class Source:
    """Lines of a patch, each with its ending, split at LF only: a lone CR is content."""

    __slots__ = ("_deadline", "lines")

    def __init__(self, data: bytes, budget_seconds: float) -> None:
        self._deadline = time.monotonic() + budget_seconds
        self.lines: list[bytes] = io.BytesIO(data).readlines()

    def within(self, data: bytes) -> "Source":
        """Return the lines of other text as a source of its own that shares the time left."""
        return Source.of(io.BytesIO(data).readlines(), self)

    @classmethod
    def of(cls, lines: list[bytes], whole: "Source") -> "Source":
        """Return lines as a source of their own, within the time of the whole."""
        part = cls.__new__(cls)
        part.lines, part._deadline = lines, whole._deadline
        return part

    def at(self, position: int) -> bytes:
        """Return the line at a position, empty past the end."""
        return self.lines[position] if position < len(self.lines) else b""

    def check_budget(self) -> None:
        """Raise BudgetSpent once the time is over."""
        if time.monotonic() > self._deadline:
            raise BudgetSpent
