"""The patch text as lines, with the processor time left for reading it. Knows nothing of diff formats."""

import io
import time


class BudgetSpent(Exception):
    """Reading took longer than it may."""


class Source:
    """Lines of a patch, each with its ending, split at LF only: a lone CR is content."""

    __slots__ = ("_ask_at", "_until", "lines")

    def __init__(self, data: bytes, budget_seconds: float) -> None:
        self._until = time.thread_time() + budget_seconds
        self._ask_at = time.monotonic() + budget_seconds  # by the clock, which costs less to ask
        self.lines: list[bytes] = io.BytesIO(data).readlines()

    def within(self, data: bytes) -> "Source":
        """Return the lines of other text as a source of its own that shares the time left."""
        return Source.of(io.BytesIO(data).readlines(), self)

    @classmethod
    def of(cls, lines: list[bytes], whole: "Source") -> "Source":
        """Return lines as a source of their own, within the time of the whole."""
        part = cls.__new__(cls)
        part.lines, part._until, part._ask_at = lines, whole._until, whole._ask_at
        return part

    def at(self, position: int) -> bytes:
        """Return the line at a position, empty past the end."""
        return self.lines[position] if position < len(self.lines) else b""

    def check_budget(self) -> None:
        """Raise BudgetSpent once this thread has worked too long; time in which others had the processor is free."""
        if time.monotonic() > self._ask_at:
            left = self._until - time.thread_time()
            if left <= 0:
                raise BudgetSpent
            self._ask_at = time.monotonic() + left
