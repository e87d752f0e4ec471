"""The database is asked for a bounded time: frozen servers, held locks, long exports; and connections of our own."""

import asyncio
import os
import signal
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import psycopg
import pytest
from asgiref.sync import sync_to_async
from django.conf import settings
from django.core.management import call_command
from django.core.management.base import CommandError
from django.db import OperationalError, connection
from django.test import Client
from django.utils import timezone

from approvals.live import connection_parameters
from approvals.models import Decision, Review
from approvals.services.dispatch import heartbeat
from audit.models import Entry
from hitl import ops
from hitl.management.commands.worker import jobs_connector
from postgresql import pool_metrics
from postgresql.bounded import BoundedAsyncConnection
from postgresql.limits import Limits
from tests.cast import Api, document

pytestmark = [pytest.mark.slow, pytest.mark.django_db(transaction=True)]

MOST_PROBE_SECONDS = 3.0


@pytest.fixture(autouse=True)
def give_back() -> Iterator[None]:
    connection.close()
    yield
    connection.close()


@pytest.fixture
def hasty(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let this process wait for a second and its grace instead of the minutes of a test run."""
    monkeypatch.setitem(connection.settings_dict, "LIMITS", Limits(1, 1))


@contextmanager
def frozen() -> Iterator[None]:
    """Stop every server process that this pool has: it is there, it acknowledges, and it does not answer."""
    connection.close()
    with psycopg.connect(**connection_parameters(), autocommit=True) as other:
        rows = other.execute(
            "select pid from pg_stat_activity where datname = current_database() and pid <> pg_backend_pid()"
            " and backend_type = 'client backend'"
        ).fetchall()
    pids = [pid for (pid,) in rows]
    assert pids
    for pid in pids:
        os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        for pid in pids:
            os.kill(pid, signal.SIGCONT)
        connection.close()  # as at the end of each request, which Django's test client leaves out


@contextmanager
def postmaster_frozen() -> Iterator[None]:
    """Stop the process that takes new connections."""
    with psycopg.connect(**connection_parameters()) as other:
        [(directory,)] = other.execute("select current_setting('data_directory')").fetchall()
    pid = int((Path(directory) / "postmaster.pid").read_text().split()[0])
    os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(pid, signal.SIGCONT)


@contextmanager
def held(sql: str, *parameters: Any) -> Iterator[None]:
    """Hold locks in another session."""
    with psycopg.connect(**connection_parameters()) as other:
        other.execute(sql.encode(), parameters)
        yield
        other.rollback()


@contextmanager
def all_of_the_pool_in_use() -> Iterator[None]:
    """Hold every connection of a new pool: earlier tests may have left one of the old pool's to a thread that ended."""
    connection.close_pool()  # type: ignore[attr-defined]  # of Django's PostgreSQL backend
    connection.ensure_connection()  # opens the new one
    connection.close()
    pool = connection.pool  # type: ignore[attr-defined]
    with ExitStack() as held:
        for _ in range(pool.max_size):
            held.enter_context(pool.connection())
        yield
        connection.close()


@pytest.mark.parametrize(("path", "status"), [("/healthz", 200), ("/readyz", 503), ("/health", 503)])
def test_probes_answer_while_the_server_is_frozen(path: str, status: int) -> None:
    heartbeat("worker", timezone.now())
    assert Client().get("/readyz").status_code == 200
    with frozen():
        started = time.monotonic()
        answer = Client().get(path)
        assert time.monotonic() - started < MOST_PROBE_SECONDS
        assert answer.status_code == status
    assert Client().get("/readyz").status_code == 200


def test_metrics_of_a_frozen_server_say_that_it_is_away(monkeypatch: pytest.MonkeyPatch) -> None:
    assert "\nhitl_database_up 1.0\n" in Client().get("/metrics").content.decode()
    connection.ensure_connection()
    monkeypatch.setattr(ops, "SCRAPE_SECONDS", 1.0)
    with frozen(), postmaster_frozen():
        answer = Client().get("/metrics")
    assert answer.status_code == 200
    assert "\nhitl_database_up 0.0\n" in answer.content.decode()
    assert "hitl_worker_last_seen_seconds" not in answer.content.decode()
    assert "\nhitl_database_up 1.0\n" in Client().get("/metrics").content.decode()


def test_metrics_are_answered_while_all_of_the_pool_is_in_use() -> None:
    """Else the alert that says so would be the first to fall silent; and only what waits in vain is counted."""
    used, waiting, timeouts = (
        metric.labels("default")._value for metric in (pool_metrics.USED, pool_metrics.WAITING, pool_metrics.TIMEOUTS)
    )
    before = (used.get(), timeouts.get())
    with all_of_the_pool_in_use():
        assert Client().get("/readyz").json()["missing"] == ["database"]
        assert (used.get(), waiting.get(), timeouts.get()) == (before[0], 0, before[1] + 1)
        heartbeat_seen = Client().get("/metrics").content.decode()
        assert "\nhitl_database_up 1.0\n" in heartbeat_seen
        assert "\nhitl_worker_last_seen_seconds" in heartbeat_seen
        assert timeouts.get() == before[1] + 1
    assert Client().get("/health").status_code == 200
    assert used.get() == before[0] + 1, "Django's test client leaves its connection open"
    connection.close()
    assert used.get() == before[0]


@pytest.mark.parametrize("path", ["/", "/hitl/patches/pending"])
def test_whoever_asks_a_frozen_server_is_told_and_holds_no_thread(
    hasty: None, alice: Any, sign_in: Any, path: str
) -> None:
    client = sign_in(alice)
    client.raise_request_exception = False
    assert client.get(path).status_code == 200
    with frozen():
        started = time.monotonic()
        answer = client.get(path)
        assert time.monotonic() - started < 8
    assert (answer.status_code, answer["Retry-After"]) == (503, "2")
    assert "nothing was changed" not in answer.content.decode().lower()  # it may have been the commit
    assert client.get(path).status_code == 200


def test_what_was_under_way_when_the_server_froze_is_recorded_whole_or_not_at_all(
    hasty: None, producer_api: Api
) -> None:
    assert producer_api.post("/hitl/patches", document()).status_code == 201
    with frozen():
        answer = producer_api.post("/hitl/patches", document(patch_id="PATCH-0002"))
    assert (answer.status_code, answer["Content-Type"]) == (503, "application/problem+json")
    assert producer_api.post("/hitl/patches", document(patch_id="PATCH-0002")).status_code in {200, 201}
    assert Decision.objects.count() == 2


@pytest.mark.parametrize("limit", ["lock_timeout", "statement_timeout"])
def test_an_approval_cut_off_is_a_503_that_says_that_nothing_is_recorded(
    api_of: Any, make_patch: Any, alice: Any, limit: str
) -> None:
    decision, api = make_patch(), api_of(alice)
    path = f"/hitl/patches/{decision.patch.patch_id}/approve"
    body = {"decision_id": str(decision.decision_id), "patch_sha256": decision.patch.sha256}
    before = Entry.objects.count()
    with held("select 1 from approvals_decision where id = %s for update", decision.pk):
        with connection.cursor() as cursor:
            cursor.execute("select set_config(%s, '100ms', false)", [limit])
        answer = api.post(path, body)
    assert (answer.status_code, answer["Retry-After"]) == (503, "2")
    assert "Nothing of this is recorded" in answer.json()["detail"]
    assert (Review.objects.count(), Entry.objects.count()) == (0, before)
    assert Decision.objects.get().status == "pending"
    with connection.cursor() as cursor:
        cursor.execute("select set_config(%s, '60s', false)", [limit])
    assert api.post(path, body).status_code == 200


def test_a_page_cut_off_says_so(make_patch: Any, alice: Any, sign_in: Any) -> None:
    decision, client = make_patch(), sign_in(alice)
    with held("lock table approvals_patch in access exclusive mode"):
        with connection.cursor() as cursor:
            cursor.execute("set statement_timeout = '100ms'")
        answer = client.get(f"/patches/{decision.decision_id}")
    assert answer.status_code == 503
    assert "The database took too long" in answer.content.decode()
    connection.close_pool()  # type: ignore[attr-defined]  # the limit above is this session's


def test_an_export_has_its_own_time_and_begins_no_answer_it_cannot_end(
    make_patch: Any, approve: Any, alice: Any, sign_in: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    approve(make_patch(), alice)
    client = sign_in(alice)
    monkeypatch.setitem(settings.DATABASE_LIMITS, "export", replace(settings.DATABASE_LIMITS["export"], statement=1))
    before = Entry.objects.count()
    with held("lock table approvals_patch in access exclusive mode"):
        answer = client.get("/history.csv")
    assert answer.status_code == 503
    assert "Narrow the list by a filter" in answer.content.decode()
    assert Entry.objects.count() == before, "an export that nobody got has an entry"
    answer = client.get("/history.csv")
    assert answer.status_code == 200
    assert len(b"".join(answer).splitlines()) == 2
    with connection.cursor() as cursor:
        cursor.execute("show statement_timeout")
        assert cursor.fetchone() == ("2min",), "the export's time stays with the connection"


ADVICE = "Search for a longer or rarer word, or choose a shorter time."


@pytest.mark.parametrize(
    ("path", "table"),
    [
        ("/history?q=flask", "approvals_patch"),
        ("/audit/entries?q=flask", "audit_context"),
        ("/audit/entries?actor=flask", "audit_context"),
        ("/hitl/analytics/audit-logs?actor=flask", "audit_context"),
    ],
)
def test_a_search_has_its_own_time_and_says_what_to_do(
    make_patch: Any, lena: Any, sign_in: Any, monkeypatch: pytest.MonkeyPatch, path: str, table: str
) -> None:
    make_patch()
    client = sign_in(lena)
    monkeypatch.setitem(settings.DATABASE_LIMITS, "search", replace(settings.DATABASE_LIMITS["search"], statement=1))
    with held(f"lock table {table} in access exclusive mode"):
        answer = client.get(path)
    assert (answer.status_code, answer["Retry-After"]) == (503, "2")
    assert ADVICE in (answer.json()["detail"] if path.startswith("/hitl/") else answer.content.decode())
    assert client.get(path).status_code == 200
    with connection.cursor() as cursor:
        cursor.execute("show statement_timeout")
        assert cursor.fetchone() == ("2min",), "the search's time stays with the connection"


def test_a_migration_gives_way_to_what_is_in_use(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(settings.DATABASE_LIMITS, "migration", Limits(0, 1))
    in_use = pytest.raises(CommandError, match="in use for over 1 s")
    with held("lock table django_migrations in access exclusive mode"), in_use:
        call_command("migrate", verbosity=0)
    call_command("migrate", verbosity=0)


def test_a_process_that_stops_in_a_transaction_gives_its_locks_back() -> None:
    """Whoever goes on then meets a lost connection, which is a 503, not a defect."""
    with connection.cursor() as cursor:
        cursor.execute("set idle_in_transaction_session_timeout = '50ms'")
        cursor.execute("begin")
        time.sleep(0.5)
        with pytest.raises(OperationalError):
            cursor.execute("select 1")


def with_jobs_pool(act: Callable[[Any], Awaitable[None]]) -> None:
    """Run something with the pool of the worker's jobs, and close the pool."""

    async def run() -> None:
        connector = await sync_to_async(jobs_connector)()
        await connector.open_async()
        try:
            await act(connector)
        finally:
            await connector.close_async()

    asyncio.run(run())


def test_the_worker_waits_for_no_frozen_server_without_end(hasty: None) -> None:
    async def act(connector: Any) -> None:
        assert await connector.execute_query_one_async("select 1 as one") == {"one": 1}
        context = frozen()
        await sync_to_async(context.__enter__)()
        try:
            # Each of its connections is given up before another is made; the server still takes new ones.
            within = asyncio.wait_for(connector.execute_query_one_async("select 1 as one"), 25)
            assert await within == {"one": 1}
        finally:
            await sync_to_async(context.__exit__)(None, None, None)


def test_what_a_job_asks_a_frozen_server_is_given_up(hasty: None) -> None:
    async def act(connector: Any) -> None:
        async with connector.pool.connection() as own:
            context = frozen()
            await sync_to_async(context.__enter__)()
            try:
                started = time.monotonic()
                with pytest.raises(psycopg.OperationalError, match="did not answer in time"):
                    await own.execute("select 1")
                assert time.monotonic() - started < 8
            finally:
                await sync_to_async(context.__exit__)(None, None, None)
        assert await connector.execute_query_one_async("select 1 as one") == {"one": 1}

    with_jobs_pool(act)


def test_a_worker_that_hears_nothing_goes_on_listening(hasty: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """It waits longer for news than for an answer; what comes after that is heard on the same connection."""
    monkeypatch.setattr(BoundedAsyncConnection, "patience", 0.2)
    heard: list[str] = []

    async def act(connector: Any) -> None:
        async with connector._get_standalone_connection() as listener:
            listener.patience = 0.2
            await listener.execute("listen news")

            async def hear() -> None:
                async for one in listener.notifies(stop_after=1):
                    heard.append(one.payload)

            hearing = asyncio.create_task(hear())
            await asyncio.sleep(1)
            await connector.execute_query_async("select pg_notify('news', 'at last')")
            await asyncio.wait_for(hearing, 5)

    with_jobs_pool(act)
    assert heard == ["at last"]
