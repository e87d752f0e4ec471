"""The feed under sixteen writers, some of whose transactions are rolled back, a sequencer that is torn off, and three
readers who crash: each ends with every position once, in order."""

import random
import threading
from collections.abc import Callable
from functools import partial
from queue import Empty, SimpleQueue
from typing import Any

import pytest
from django.db import connection, transaction
from django.utils import timezone

from approvals.models import Channel, Decision, FeedEntry, User
from approvals.queries.composed import feed_items
from approvals.services import lifecycle
from approvals.services.dispatch import dispatch
from tests.cast import actor_for

pytestmark = [pytest.mark.soak, pytest.mark.django_db(transaction=True)]

WRITERS, READERS, DECISIONS = 16, 3, 20_000
ROLLED_BACK, CRASHES = 0.1, 0.05
TAKEN_IN = 400  # patches that wait at the same time; each is decided once


class Torn(Exception):
    """Something ended in the middle."""


class Reader:
    """A program that keeps what it handled together with how far it is, and nothing else over a crash."""

    def __init__(self) -> None:
        self.kept: list[int] = []

    def read(self, stop: threading.Event) -> None:
        """Handle what is new, one at a time, unless it crashes before it kept the next."""
        stop.wait(random.random() / 5)
        for item in feed_items(self.kept[-1] if self.kept else 0, random.randint(1, 100)):
            if random.random() < CRASHES:
                return
            self.kept.append(int(item.text.split('"position":')[1].split(",")[0]))


def keep(act: Callable[[], Any], stop: threading.Event, failures: list[BaseException]) -> threading.Thread:
    """Call something again and again in a thread until it is told to stop."""

    def run() -> None:
        try:
            while not stop.is_set():
                act()
                connection.close()  # there are more threads than connections
        except BaseException as error:
            failures.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    return thread


def test_each_reader_has_every_position_once(make_patch: Callable[..., Decision], lena: User) -> None:
    waiting: SimpleQueue[Decision] = SimpleQueue()
    stop = threading.Event()
    failures: list[BaseException] = []
    ended: dict[str, Any] = {"channel": Channel.PAGE, "user": lena, "actor": actor_for(lena)}

    def write() -> None:
        try:
            decision = waiting.get(timeout=0.2)
        except Empty:
            return
        try:
            with transaction.atomic():
                lifecycle.cancel(decision.decision_id, "Not needed.", now=timezone.now(), **ended)
                if random.random() < ROLLED_BACK:
                    raise Torn
        except Torn:
            waiting.put(decision)

    def sequence() -> None:
        try:
            with transaction.atomic():
                placed = dispatch()
                if random.random() < ROLLED_BACK:
                    raise Torn
        except Torn:
            return
        if not placed:
            stop.wait(0.05)

    readers = [Reader() for _ in range(READERS)]
    acts = [write] * WRITERS + [sequence] * 2 + [partial(reader.read, stop) for reader in readers]
    threads = [keep(act, stop, failures) for act in acts]
    try:
        made = 0
        while made < DECISIONS:
            assert not failures, failures
            if waiting.qsize() < TAKEN_IN:
                waiting.put(make_patch())
                made += 1
            else:
                stop.wait(0.01)
        while min(len(reader.kept) for reader in readers) < DECISIONS:
            assert not failures, failures
            stop.wait(0.1)
    finally:
        stop.set()
        for thread in threads:
            thread.join()
    assert FeedEntry.objects.count() == DECISIONS
    for reader in readers:
        assert reader.kept == list(range(1, DECISIONS + 1))
