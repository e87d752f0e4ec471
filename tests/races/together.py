"""Callers that start at the same moment, each on a thread and a database connection of its own."""

import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from threading import Barrier
from typing import TypeVar

from django.db import connections

T = TypeVar("T")

SMALL_SECONDS = 0.01  # about what one request or one step of a worker takes
PATIENCE_SECONDS = 60.0  # a deadlock becomes an error of this test instead of a run that never ends


def at_once(*calls: Callable[[], T]) -> list[T]:
    """Return what the calls return, in their order; raise the first exception one of them raised.

    No caller starts before every thread stands at the line, and none holds a connection while it waits there.
    """
    line = Barrier(len(calls))

    def run(call: Callable[[], T]) -> T:
        try:
            line.wait(PATIENCE_SECONDS)
            return call()
        finally:
            connections.close_all()  # the connection goes back to the pool, as at the end of a request

    with ThreadPoolExecutor(len(calls)) as threads:
        futures = [threads.submit(run, call) for call in calls]
        return [future.result(PATIENCE_SECONDS) for future in futures]


def after(seconds: float, call: Callable[[], T]) -> Callable[[], T]:
    """Return the call with a pause before it, so that over the rounds of a race either side comes first."""

    def late() -> T:
        time.sleep(seconds)
        return call()

    return late


@dataclass
class Handicap:
    """Hold back whoever won the last round, twice as long after each win in a row: either side wins on any machine."""

    winners: list[str] = field(default_factory=list)
    seconds: dict[str, float] = field(default_factory=dict)
    step: float = SMALL_SECONDS

    def rounds(self, least: int) -> Iterator[int]:
        """Number that many rounds, and more until both sides have won one; `won` is called in each."""
        while len(self.winners) < least or len(set(self.winners)) < 2:
            assert len(self.winners) < least + 12, f"{self.winners[0]} always won: the rounds were no race"
            yield len(self.winners)

    def of(self, side: str) -> float:
        """Return by how many seconds this side starts later."""
        return max(0.0, self.seconds.get(side, 0.0))

    def won(self, winner: str, loser: str) -> None:
        """Note who won, and move the start of the next round towards the loser."""
        self.step = self.step * 2 if self.winners[-1:] == [winner] else SMALL_SECONDS
        self.winners.append(winner)
        ahead = self.seconds.get(winner, 0.0) + self.step
        self.seconds = {winner: ahead, loser: -ahead}
