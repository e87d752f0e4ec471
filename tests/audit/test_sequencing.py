"""The sequencer: every entry once, in the order of commits, whoever writes and whatever breaks."""

import threading
from concurrent.futures import ThreadPoolExecutor
from uuid import uuid4

import psycopg
import pytest
from django.db import IntegrityError, connections, transaction
from django.utils import timezone

from approvals.live import connection_parameters
from approvals.models import FeedEntry, Heartbeat
from approvals.services import dispatch as dispatching
from approvals.services.dispatch import dispatch, heartbeat
from audit import sequencing
from audit.log import Actor, Subject, record
from audit.models import ActorKind, Entry, Leaf, Pending

ACTOR = Actor("user:41", ActorKind.HUMAN, "alice", "session")
OBJECT = Subject("user", "user:41", "alice")


def write() -> int:
    entry_id = record("login.succeeded", actor=ACTOR, at=timezone.now(), subject=OBJECT)
    return Entry.objects.get(uuid=entry_id).pk


def places() -> list[int]:
    """Return the entries in the order of the log, whose numbers must have no gap."""
    rows = list(Leaf.objects.order_by("seq").values_list("seq", "entry_id"))
    assert [seq for seq, _ in rows] == list(range(len(rows)))
    return [entry for _, entry in rows]


@pytest.mark.django_db
def test_entries_get_consecutive_places_from_zero():
    written = [write() for _ in range(3)]
    assert dispatch() == 3
    assert places() == written
    assert dispatch() == 0
    assert not Pending.objects.exists()


@pytest.mark.django_db(transaction=True)
def test_a_look_that_finds_nothing_is_one_statement(django_assert_num_queries):
    write()
    assert dispatch() == 1
    with django_assert_num_queries(1):
        assert dispatch() == 0


@pytest.mark.django_db
def test_a_batch_takes_the_oldest_and_leaves_the_rest():
    written = [write() for _ in range(5)]
    assert dispatch(limit=2) == 2
    assert places() == written[:2]
    assert sequencing.backlog() == 3
    assert [dispatch(limit=2), dispatch(limit=2)] == [2, 1]
    assert places() == written


@pytest.mark.django_db(transaction=True)
def test_an_entry_that_commits_late_is_placed_later_and_never_skipped():
    """Ids are given at insert, not at commit: a cursor on the id would lose the late one for good."""
    inserted, go_on = threading.Event(), threading.Event()

    def slow() -> int:
        try:
            with transaction.atomic():
                entry = write()
                inserted.set()
                assert go_on.wait(10)
            return entry
        finally:
            connections.close_all()

    with ThreadPoolExecutor(1) as threads:
        late = threads.submit(slow)
        assert inserted.wait(10)
        early = write()
        assert dispatch() == 1
        assert places() == [early]
        go_on.set()
        first_inserted = late.result(10)
    assert first_inserted < early
    assert dispatch() == 1
    assert places() == [early, first_inserted]


@pytest.mark.django_db(transaction=True)
def test_with_many_writers_every_entry_is_placed_once_and_each_objects_own_stay_in_order():
    stop = threading.Event()

    def writer(number: int) -> list[int]:
        try:
            return [write() for _ in range(15)]
        finally:
            connections.close_all()

    def sequencer() -> None:
        try:
            while not stop.is_set():
                dispatch(limit=7)
        finally:
            connections.close_all()

    with ThreadPoolExecutor(6) as threads:
        running = [threads.submit(sequencer) for _ in range(2)]
        written = list(threads.map(writer, range(4)))
        stop.set()
        for future in running:
            future.result(10)
    while dispatch():
        pass
    order = places()
    assert sorted(order) == sorted(entry for entries in written for entry in entries)
    for entries in written:
        assert [entry for entry in order if entry in set(entries)] == entries


@pytest.mark.django_db(transaction=True)
def test_there_is_one_sequencer():
    write()
    leading, done = threading.Event(), threading.Event()

    def lead() -> bool:
        try:
            with transaction.atomic():
                mine = sequencing.lead()
                leading.set()
                assert done.wait(10)
                return mine
        finally:
            connections.close_all()

    with ThreadPoolExecutor(1) as threads:
        other = threads.submit(lead)
        assert leading.wait(10)
        assert dispatch() is None
        assert sequencing.backlog() == 1
        done.set()
        assert other.result(10)
    assert dispatch() == 1


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("step", ["_feed", "_notify"])
def test_a_crash_in_the_middle_places_nothing_and_the_next_run_places_all(
    make_patch, approve, alice, monkeypatch, step
):
    approve(make_patch(), alice)
    waiting = sequencing.backlog()

    def broken(taken: object) -> None:
        raise RuntimeError("power cut")

    with monkeypatch.context() as patched:
        patched.setattr(dispatching, step, broken)
        with pytest.raises(RuntimeError):
            dispatch()
    assert (sequencing.backlog(), Leaf.objects.count(), FeedEntry.objects.count()) == (waiting, 0, 0)
    assert dispatch() == waiting
    assert [(entry.position, entry.status) for entry in FeedEntry.objects.all()] == [(1, "approved")]


@pytest.mark.django_db
def test_only_ends_are_in_the_feed(make_patch, approve, alice, lena):
    decision = make_patch(severity="critical")
    approve(decision, alice)
    dispatch()
    assert not FeedEntry.objects.exists()
    approve(decision, lena)
    dispatch()
    [entry] = FeedEntry.objects.all()
    decision.refresh_from_db()
    assert (entry.position, entry.status, entry.at) == (1, "approved", decision.decided_at)


@pytest.mark.django_db
def test_feed_positions_go_on_without_a_gap_over_batches(make_patch, approve, alice):
    for _ in range(5):
        approve(make_patch(severity="low"), alice)
    while dispatch(limit=2):
        pass
    assert list(FeedEntry.objects.order_by("position").values_list("position", flat=True)) == [1, 2, 3, 4, 5]


@pytest.mark.django_db
def test_an_end_without_its_decision_fails_and_is_not_left_out_of_the_feed(make_patch, approve, alice):
    approve(make_patch(), alice)
    unknown = Subject("decision", str(uuid4()))
    record("decision.expired", actor=ACTOR, at=timezone.now(), subject=unknown)
    waiting = sequencing.backlog()
    with pytest.raises(IntegrityError), transaction.atomic():
        dispatch()
    assert (sequencing.backlog(), FeedEntry.objects.count()) == (waiting, 0)


@pytest.mark.django_db(transaction=True)
def test_listeners_hear_what_was_placed_and_only_when_it_is_committed(make_patch):
    with psycopg.connect(**connection_parameters(), autocommit=True) as listener:
        listener.execute(f"listen {dispatching.LIVE}")
        decision = make_patch()
        assert list(listener.notifies(timeout=0.1)) == []
        dispatch()
        heard = [notice.payload for notice in listener.notifies(timeout=2, stop_after=1)]
    assert str(decision.decision_id) in "".join(heard)


@pytest.mark.django_db
def test_a_heartbeat_is_one_row_that_moves():
    now = timezone.now()
    heartbeat("worker", now)
    heartbeat("worker", now)
    assert Heartbeat.objects.get().seen_at == now
