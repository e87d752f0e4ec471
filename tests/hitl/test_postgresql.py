"""Our database backend: dead connections are not handed out, and repeated statements are prepared."""

from datetime import datetime
from typing import Any
from uuid import uuid4

import psycopg
import pytest
from django.db import DataError, connection, transaction
from django.db.transaction import TransactionManagementError
from django.test.utils import CaptureQueriesContext

from approvals.live import connection_parameters
from approvals.models import User
from postgresql.statements import query, query_prepared

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def give_back():
    connection.close()
    yield
    connection.close()


@pytest.fixture
def used():
    backends_of(9)  # the pool may still be growing
    return backends_of(9)


def backends_of(checkouts: int) -> set[int]:
    """Return the server processes that as many checkouts of the pool find."""
    found = set()
    for _ in range(checkouts):
        with connection.cursor() as cursor:
            cursor.execute("select pg_backend_pid()")
            found.add(cursor.fetchone()[0])
        connection.close()
    return found


def test_connections_that_died_in_the_pool_are_replaced_unseen(used):
    with psycopg.connect(**connection_parameters(), autocommit=True) as other:
        for pid in used:
            assert other.execute("select pg_terminate_backend(%s, 5000)", [pid]).fetchone() == (True,)
    assert not backends_of(9) & used


def test_live_connections_are_used_again(used):
    assert backends_of(9) == used


def test_connections_that_were_only_told_something_are_used_again(used):
    for _ in used:
        connection.ensure_connection()
        connection.connection.execute("listen told_in_test_postgresql")
        connection.close()
    with psycopg.connect(**connection_parameters(), autocommit=True) as other:
        other.execute("notify told_in_test_postgresql")
    assert backends_of(9) == used
    connection.close_pool()  # the next one hears nothing


def test_a_statement_is_prepared_from_its_sixth_use_on():
    kept = "select generic_plans + custom_plans from pg_prepared_statements where statement like '%%' || %s || '%%'"
    mark = uuid4().hex  # the connection has seen other tests
    for number in range(5):
        assert query_prepared(f"select '{mark}', %s::int", [number]) == [(mark, number)]
    assert query_prepared(kept, [mark]) == []
    for number in range(5, 10):
        assert query_prepared(f"select '{mark}', %s::int", [number]) == [(mark, number)]
    assert query_prepared(kept, [mark]) == [(5,)]


def test_the_connection_of_the_moment_is_asked(used):
    pids = set()
    for _ in range(9):
        pids |= set(query_prepared("select pg_backend_pid()"))
        connection.close()
    assert pids == {(pid,) for pid in used}


def test_a_prepared_statement_fails_as_any_other():
    with pytest.raises(DataError), transaction.atomic():
        query_prepared("select 1 / %s::int", [0])
    with transaction.atomic():
        transaction.set_rollback(True)
        with pytest.raises(TransactionManagementError):
            query_prepared("select 1")
    assert query_prepared("select 1") == [(1,)]


def test_who_looks_on_at_statements_sees_prepared_ones():
    seen = []

    def look(execute, sql, params, many, context):
        seen.append((sql, params))
        return execute(sql, params, many, context)

    with connection.execute_wrapper(look):
        assert query_prepared("select %s::int", [41]) == [(41,)]
    assert seen == [("select %s::int", [41])]


def test_the_query_log_shows_prepared_statements_with_their_values():
    with CaptureQueriesContext(connection) as log:
        query_prepared("select 'one', %s::int", [41])
    assert [query["sql"] for query in log.captured_queries] == ["select 'one', 41::int"]


GROWS = {"approvals_patch", "approvals_decision", "approvals_review", "approvals_patchview", "audit_entry"}


def scanned(node: dict[str, Any]) -> set[str]:
    """Return the tables that a plan reads from end to end."""
    own = {node["Relation Name"]} if node["Node Type"] == "Seq Scan" else set()
    return own.union(*(scanned(child) for child in node.get("Plans", [])))


def test_no_plan_that_was_kept_from_the_first_rows_reads_a_whole_table(api_of, make_patch, alice):
    """Until a table is analyzed its plans stay: an import into a new database would get slower with each patch."""
    with connection.cursor() as cursor:  # autovacuum may have looked at them already, on a machine with much to do
        cursor.execute(
            "select pg_clear_relation_stats('public', relname) from pg_class where relname = any(%s)", [list(GROWS)]
        )
    for _ in range(8):
        decision = make_patch(severity="low")
        body = {"decision_id": str(decision.decision_id), "patch_sha256": decision.patch.sha256}
        assert api_of(alice).post(f"/hitl/patches/{decision.patch.patch_id}/approve", body).status_code == 200
    plans = {}
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("set local plan_cache_mode = force_generic_plan")
        cursor.execute("select name, cardinality(parameter_types), statement from pg_prepared_statements")
        for name, parameters, statement in cursor.fetchall():
            nothing = f"({', '.join(['null'] * parameters)})" if parameters else ""
            cursor.execute(f'explain (format json) execute "{name}"{nothing}')
            [(plan,)] = cursor.fetchall()
            plans[statement] = scanned(plan[0]["Plan"]) & GROWS
    assert len(plans) > 10
    assert {statement: tables for statement, tables in plans.items() if tables} == {}


@pytest.mark.parametrize(
    ("sent", "kept"),
    [
        ("2024-01-01T00:00:00-15:59", "2024-01-01T15:59:00+00:00"),
        ("2024-01-01T00:00:00-17:39", "2024-01-01T17:39:00+00:00"),
        ("2024-01-02T00:00:00+23:59", "2024-01-01T00:01:00+00:00"),
        ("0001-01-01T00:00:00+23:59", "0001-01-01T00:00:00+00:00"),
        ("9999-12-31T23:59:59-23:59", "9999-12-31T23:59:59.999999+00:00"),
    ],
)
def test_a_time_of_any_offset_is_one_that_postgresql_reads(sent, kept):
    at = datetime.fromisoformat(sent)
    assert query("select %s::timestamptz", [at]) == [(datetime.fromisoformat(kept),)]
    assert query_prepared("select %s::timestamptz", [at]) == [(datetime.fromisoformat(kept),)]
    assert User.objects.filter(last_login__lt=at).count() == 0
