"""`wait=`: answers come as soon as there is something, and nobody who waits holds a database connection."""

import time
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import pytest
from django.db import connection, connections

from approvals.live import listener
from approvals.services.dispatch import dispatch
from tests.cast import Api

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def waiters() -> Iterator[ThreadPoolExecutor]:
    """Return threads to wait in; at the end the listener stops, as it does when a worker ends."""
    with ThreadPoolExecutor(3) as threads:
        yield threads
    listener.stop()


def ask(api: Api, path: str, **parameters):
    started = time.monotonic()
    try:
        return api.get(path, **parameters), time.monotonic() - started
    finally:
        connections.close_all()


def taken_from_the_pool() -> int:
    stats = connection.pool.get_stats()  # type: ignore[attr-defined]
    return int(stats["pool_size"] - stats["pool_available"])


def sessions_in_a_transaction() -> int:
    with connection.cursor() as cursor:
        cursor.execute(
            "select count(*) from pg_stat_activity where datname = current_database() and pid <> pg_backend_pid()"
            " and backend_type = 'client backend' and state <> 'idle'"
        )
        return int(cursor.fetchone()[0])


def settle(waiting: "Future[Any]") -> None:
    """Let the waiter reach its wait."""
    deadline = time.monotonic() + 5
    while time.monotonic() < deadline and not (listener.thread and listener.thread.is_alive() and listener.count):
        time.sleep(0.01)
    time.sleep(0.2)
    assert not waiting.done()


def test_a_waiting_decision_is_answered_when_it_is_decided(waiters, deployer_api, make_patch, approve, alice):
    decision = make_patch()
    waiting = waiters.submit(ask, deployer_api, f"/hitl/decisions/{decision.decision_id}", wait=30)
    settle(waiting)
    approve(decision, alice)
    dispatch()
    answer, took = waiting.result(10)
    assert answer.json()["status"] == "approved"
    assert took < 4


def test_the_feed_is_answered_when_it_has_something(waiters, deployer_api, make_patch, approve, alice):
    decision = make_patch()
    waiting = waiters.submit(ask, deployer_api, "/hitl/decisions", after=0, wait=30)
    settle(waiting)
    approve(decision, alice)
    dispatch()
    answer, took = waiting.result(10)
    assert [item["status"] for item in answer.json()] == ["approved"]
    assert took < 4


def test_waiting_ends_when_its_time_is_over(deployer_api, make_patch):
    decision = make_patch()
    answer, took = ask(deployer_api, f"/hitl/decisions/{decision.decision_id}", wait=0.3)
    assert (answer.status_code, answer.json()["status"]) == (200, "pending")
    assert 0.25 < took < 3
    answer, took = ask(deployer_api, "/hitl/decisions", wait=0.3)
    assert (answer.json(), took > 0.25) == ([], True)
    listener.stop()


def test_a_decided_one_does_not_wait(deployer_api, make_patch, approve, alice):
    decision = make_patch()
    approve(decision, alice)
    _, took = ask(deployer_api, f"/hitl/decisions/{decision.decision_id}", wait=30)
    assert took < 3


def test_nobody_who_waits_holds_a_connection(waiters, deployer_api, make_patch):
    path = f"/hitl/decisions/{make_patch().decision_id}"
    waiting = [waiters.submit(ask, deployer_api, path, wait=60) for _ in range(3)]
    settle(waiting[0])
    deadline = time.monotonic() + 20
    while taken_from_the_pool() > 1 and time.monotonic() < deadline:
        time.sleep(0.05)  # a busy machine takes its time to get all three to their wait
    assert taken_from_the_pool() == 1  # the test's own
    assert sessions_in_a_transaction() == 0
    assert not any(future.done() for future in waiting)
    listener.stop()
    assert [future.result(10)[0].json()["status"] for future in waiting] == ["pending"] * 3
