"""The files by which the worker says that it lives and works: whoever restarts or replaces it looks at them."""

import threading
import time

import pytest
from django.db import DatabaseError

from approvals import sequencer
from approvals.models import Heartbeat
from hitl.management.commands import worker


@pytest.fixture
def alive(settings, tmp_path):
    settings.HITL_DATA_DIR = tmp_path / "data"
    return settings.HITL_DATA_DIR / "worker-alive"


def test_a_worker_whose_threads_look_at_their_stop_says_that_it_lives(alive):
    worker.say_alive([worker.Stop(), worker.Stop()])
    assert alive.exists()


def test_a_thread_that_hangs_longer_than_a_statement_may_take_is_no_life(alive, settings):
    longest = settings.DATABASE_LIMITS["worker"].statement + worker.HANGING_SECONDS
    slow, hanging = worker.Stop(), worker.Stop()
    slow.looked_at = time.monotonic() - longest + 30
    hanging.looked_at = time.monotonic() - longest - 1
    worker.say_alive([worker.Stop(), hanging])
    assert not alive.exists()
    worker.say_alive([worker.Stop(), slow])
    assert alive.exists()


def test_a_thread_that_fails_and_is_started_again_lives(alive, monkeypatch):
    monkeypatch.setattr(worker, "LONGEST_WAIT_SECONDS", 0.0)
    stop, times = worker.Stop(), []

    def fail(given):
        given.looked_at = 0.0
        times.append(1)
        if len(times) == 3:
            given.set()
        raise ConnectionError("the database went away")

    thread = threading.Thread(target=worker.keep_running, args=("sequencer", fail, stop))
    thread.start()
    thread.join(60)
    worker.say_alive([stop])
    assert alive.exists()


def test_a_data_directory_that_takes_no_file_does_not_stop_the_worker(settings, tmp_path):
    (tmp_path / "file").touch()
    settings.HITL_DATA_DIR = tmp_path / "file"
    worker.say_alive([worker.Stop()])


@pytest.mark.django_db(transaction=True)
def test_it_works_when_its_heartbeat_is_in_the_database(monkeypatch):
    stop, seen = threading.Event(), []

    def beat():
        seen.append(Heartbeat.objects.get().name)
        stop.set()

    sequencer.run(stop, beat)
    assert seen == ["worker"]

    def away(*_):
        raise DatabaseError

    monkeypatch.setattr(sequencer, "heartbeat", away)
    stop.clear()
    with pytest.raises(DatabaseError):
        sequencer.run(stop, beat)
    assert seen == ["worker"]
