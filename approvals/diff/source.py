"""The patch text as lines, with the processor time left for reading it. Knows nothing of diff formats."""

import io
import re
import time
from bisect import bisect_left
from functools import cached_property
from typing import Final

_PLAIN: Final = re.compile(rb"[-+ ]*+")
_DASH: Final = re.compile(rb"-")


class BudgetSpent(Exception):
    """Reading took longer than it may."""


class Source:
    """Lines of a patch, each with its ending, split at LF only: a lone CR is content."""

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

    @cached_property
    def signs(self) -> bytes:
        """Return the first byte of each line."""
        return bytes([line[0] for line in self.lines])

    @cached_property
    def dashes(self) -> list[int]:
        """Return the positions of the lines that begin with two dashes: names, footers, or a deleted dash."""
        begun = (match.start() for match in _DASH.finditer(self.signs))
        return [at for at in begun if self.lines[at].startswith(b"--")]

    def plain_end(self, position: int, old: int, new: int) -> int | None:
        """Return where a hunk of so many old and new lines ends if each is unchanged, added or deleted, whole and not
        one that may be something else; None where a reader must look at its lines one by one."""
        signs, end = self.signs, position + max(old, new)
        run = _PLAIN.match(signs, position).end()  # type: ignore[union-attr]  # it matches no line too
        while end <= run:
            added, deleted = signs.count(b"+", position, end), signs.count(b"-", position, end)
            least, most = sorted((position + old + added, position + new + deleted))
            if least < end or not self.lines[end - 1].endswith(b"\n"):
                return None
            if most == end:
                at = bisect_left(self.dashes, position)
                return end if at == len(self.dashes) or self.dashes[at] >= end else None
            end = most  # what is still owed is at least halved
        return None

    def check_budget(self) -> None:
        """Raise BudgetSpent once this thread has worked too long; time in which others had the processor is free."""
        if time.monotonic() > self._ask_at:
            left = self._until - time.thread_time()
            if left <= 0:
                raise BudgetSpent
            self._ask_at = time.monotonic() + left
