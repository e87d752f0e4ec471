"""Analytics, history and the audit log are read from a fresh replica; anything else, and every write, is not."""

from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import pytest
from django.conf import settings
from django.db import OperationalError, connections, transaction
from django.test import Client
from django.utils import timezone

from approvals.models import Heartbeat, User
from hitl import replica_reads
from postgresql.replica import REPLICA, Router, reading_from
from postgresql.statements import query
from tests.cast import Api, person

LOOKING_BACK = ["/history", "/analytics", "/audit/entries"]


def connect() -> None:
    if connections[REPLICA].connection is None:
        connections[REPLICA].connect()


@pytest.fixture
def replica(transactional_db: None, monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """Set up a second connection to the same database as the replica; return the statements that it gets."""
    entry = connections.databases["default"] | {"TEST": {"MIRROR": "default"}}
    monkeypatch.setitem(connections.databases, REPLICA, entry)
    monkeypatch.setitem(settings.DATABASES, REPLICA, entry)
    # pytest-django lets a test connect to the databases only that were there before it.
    monkeypatch.setattr(connections[REPLICA], "ensure_connection", connect)
    asked: list[str] = []

    def note(execute: Callable[..., Any], sql: str, *rest: Any) -> Any:
        if "pg_type" not in sql:  # what Django asks of a new connection
            asked.append(sql)
        return execute(sql, *rest)

    with connections[REPLICA].execute_wrapper(note):
        yield asked
    connections[REPLICA].close()
    connections[REPLICA].close_pool()  # type: ignore[attr-defined]  # of Django's PostgreSQL backend
    del connections[REPLICA]


@pytest.fixture
def lead(transactional_db: None, sign_in: Callable[[User], Client]) -> Client:
    return sign_in(person("lena", "security-leads", "auditor"))


def beat(seconds_ago: float) -> None:
    Heartbeat.objects.update_or_create(
        name="worker", defaults={"seen_at": timezone.now() - timedelta(seconds=seconds_ago)}
    )


@pytest.mark.parametrize("address", LOOKING_BACK)
def test_what_looks_back_is_read_from_a_fresh_replica_and_says_how_old_it_is(replica, lead, address) -> None:
    beat(5)
    page = lead.get(address)
    assert page.status_code == 200
    assert len(replica) > 1
    assert int(page["Age"]) in range(5, 30)
    assert b"from the replica" in page.content


@pytest.mark.parametrize("seconds_ago", [61, None])
def test_one_that_is_too_old_or_knows_no_age_is_not_read(replica, lead, seconds_ago, caplog) -> None:
    if seconds_ago:
        beat(seconds_ago)
    page = lead.get("/history")
    assert page.status_code == 200
    assert len(replica) == 1
    assert "Age" not in page
    assert b"from the replica" not in page.content
    assert "too old" in caplog.text


def test_one_that_does_not_answer_is_left_alone_for_a_while(replica, lead, monkeypatch, caplog) -> None:
    asked = []

    def silent() -> None:
        asked.append(1)
        raise OperationalError("no answer")

    monkeypatch.setattr(replica_reads, "replica_as_of", silent)
    assert [lead.get("/history").status_code for _ in range(3)] == [200] * 3
    assert len(asked) == 1
    assert "does not answer" in caplog.text


def test_the_queue_and_what_is_decided_never_come_from_it(replica, lead) -> None:
    beat(5)
    assert lead.get("/").status_code == 200
    assert replica == []


@pytest.mark.parametrize("address", ["/hitl/analytics/summary", "/hitl/analytics/audit-logs"])
def test_who_calls_is_never_read_from_it(replica, token_for, address) -> None:
    """A token that was revoked a moment ago is still good there."""
    beat(5)
    answer = Api(token_for("auditor", "books")).get(address)
    assert answer.status_code == 200
    assert int(answer["Age"]) in range(5, 30)
    assert len(replica) > 1
    assert [sql for sql in replica if "token" in sql] == []


def test_what_a_transaction_reads_comes_from_where_it_writes(replica) -> None:
    with reading_from(REPLICA), transaction.atomic():
        assert User.objects.filter(username="nobody").first() is None
        assert query("select count(*) from approvals_user where username = %s", ["nobody"]) == [(0,)]
    assert replica == []


def test_what_was_read_from_it_is_written_to_the_primary(replica, lead) -> None:
    with reading_from(REPLICA):
        user = User.objects.get(username="lena")
    assert user._state.db == REPLICA
    replica.clear()
    user.save()
    assert replica == []


def test_nothing_migrates_it() -> None:
    assert Router().allow_migrate(REPLICA, "approvals") is False
    assert Router().allow_migrate("default", "approvals") is True
