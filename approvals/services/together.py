"""Write patches that one producer sends at the same moment in one transaction: most of what one costs the database, and
the wait for the disk, are its transaction's. Nobody waits for others to come: whoever finds no one writing writes."""

from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from threading import Lock

from django.db import connection

from approvals.errors import Refusal
from approvals.models import Producer
from audit.log import Actor

from .intake import Submission, SubmissionResult, submit_all

MOST = 16  # in one transaction, so that its locks are short


@dataclass(eq=False, slots=True)
class Waiting:
    """One submission and, once it is written, its result; `failed` after a set with it was not."""

    submission: Submission
    actor: Actor
    now: datetime
    result: SubmissionResult | Refusal | None = None
    failed: bool = False


@dataclass(eq=False, slots=True)
class Line:
    """Who waits in this process to be written for one producer; whoever holds `turn` writes."""

    waiting: deque[Waiting] = field(default_factory=deque)
    turn: Lock = field(default_factory=Lock)

    @contextmanager
    def in_turn(self) -> Iterator[None]:
        """Wait until no one else writes. Who waits holds no connection: the pool has fewer than there are threads."""
        if not self.turn.acquire(blocking=False):
            connection.close()
            self.turn.acquire()
        try:
            yield
        finally:
            self.turn.release()

    def next(self) -> list[Waiting]:
        """Take the first ones that may stand in one transaction: at most MOST, no patch_id twice."""
        group: dict[str, Waiting] = {}
        while self.waiting and len(group) < MOST and self.waiting[0].submission.patch_id not in group:
            first = self.waiting.popleft()
            group[first.submission.patch_id] = first
        return list(group.values())


_lines: dict[tuple[object, ...], Line] = {}


def line_of(producer: Producer) -> Line:
    """Return the line of those who found this producer with the same name and trust: a set is judged by one of them."""
    return _lines.setdefault(
        (producer.pk, producer.name, producer.trusted_for_ml, producer.trusted_for_wargaming), Line()
    )


def submit(submission: Submission, *, producer: Producer, actor: Actor, now: datetime) -> SubmissionResult:
    """Take in one patch, with those that wait at this moment. Raise Invalid or TooMany."""
    line, mine = line_of(producer), Waiting(submission, actor, now)
    line.waiting.append(mine)
    while mine.result is None:
        with line.in_turn():
            if mine.result is None:
                _write([mine] if mine.failed else line.next(), producer, mine)
    if isinstance(mine.result, Refusal):
        raise mine.result
    return mine.result


def _write(group: list[Waiting], producer: Producer, mine: Waiting) -> None:
    """Write a set and give each its result. If it fails, each is written alone by its own thread, which is told why."""
    for one in group:
        one.failed = True  # until it is written
    try:
        results = submit_all(
            [one.submission for one in group],
            producer=producer,
            actor=[one.actor for one in group],
            now=max(one.now for one in group),
        )
    except Exception:
        if group == [mine]:
            raise
        return
    for one, result in zip(group, results, strict=True):
        one.result = result
