"""A list of 100 rows runs the same queries as one of one row; none loads a diff, and none multiplies the work."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from approvals.models import Decision, ImportedDecision, Text, User, Verdict
from approvals.services.dispatch import dispatch
from notifications.models import Delivery, Endpoint
from tests.cast import Api

pytestmark = pytest.mark.django_db

Get = Callable[[str], Any]
MANY = 100

PAGES = ["/", "/?sort=age", "/?q=flask", "/?mine=on", "/history", "/history/imported", "/audit/entries"]
PAGES += ["/deliveries", "/deliveries?state=pending"]
BY_PERSON = ["/hitl/patches/pending?limit=100", "/hitl/patches/pending?limit=100&sort=sla&mine=true"]
BY_MACHINE = {
    "/hitl/decisions?limit=1000": "deployer",
    "/hitl/analytics/audit-logs?limit=1000": "auditor",
    "/hitl/analytics/summary": "auditor",
}


@pytest.fixture
def grow(
    make_patch: Callable[..., Decision], approve: Callable[..., Decision], alice: User, bob: User
) -> Callable[[int], None]:
    """Return a function that adds so many pending patches with a review each, and as many decided ones."""

    def add(number: int) -> None:
        for one in range(number):
            approve(make_patch(severity="critical"), alice)  # waits for the second person
            decided = make_patch()
            approve(decided, (alice, bob)[one % 2], (Verdict.APPROVE, Verdict.REJECT)[one % 2])
            row = {"source": "reference_api", "source_id": str(decided.pk), "outcome": "approved", "heading": "x"}
            text = Text.objects.create(body="{}")
            ImportedDecision.objects.create(**row, names=["x"], record=text, imported_at=timezone.now())
            _deliver()
        while dispatch():
            pass

    return add


def _deliver() -> None:
    """Add an endpoint with two deliveries, one of which was given up."""
    now, number = timezone.now(), Endpoint.objects.count()
    endpoint = Endpoint.objects.create(
        name=f"{number}", url="https://example.org/", audience="deployer:x", created_at=now
    )
    dated = {"channel": "webhook", "endpoint": endpoint, "due_at": now, "give_up_at": now, "created_at": now}
    Delivery.objects.create(position=1, state="dead", ended_at=now, **dated)
    Delivery.objects.create(position=2, **dated)


def test_every_list(
    grow: Callable[[int], None], sign_in: Callable[[User], Any], token_for: Callable[..., str], lena: User
) -> None:
    client, api = sign_in(lena), Api(user=lena)
    readers = {kind: Api(token_for(kind, kind)) for kind in sorted(set(BY_MACHINE.values()))}
    lists: dict[str, Get] = dict.fromkeys(PAGES, client.get) | dict.fromkeys(BY_PERSON, api.get)
    same_queries(lists | {path: readers[kind].get for path, kind in BY_MACHINE.items()}, grow)


def same_queries(lists: dict[str, Get], grow: Callable[[int], None]) -> None:
    """Compare each list's queries before and after it grew; the rows are made once for all of them."""
    grow(1)
    few = {path: queries(path, get) for path, get in lists.items()}
    grow(MANY - 1)
    many = {path: queries(path, get) for path, get in lists.items()}
    assert {path: difference(few[path], many[path]) for path in lists if len(many[path]) != len(few[path])} == {}
    assert [path for path in lists if any("patchcontent" in query for query in many[path])] == [], "a list loads a diff"


def queries(path: str, get: Get) -> list[str]:
    get(path)  # what is read once a process, or written once a minute that the session was used
    with CaptureQueriesContext(connection) as captured:
        answer = get(path)
    assert answer.status_code == 200
    return [query["sql"] for query in captured.captured_queries]


def difference(few: list[str], many: list[str]) -> str:
    """Return the queries that only the long list ran, without their values."""
    known = {query.split("WHERE")[0] for query in few}
    more = [query[:200] for query in many if query.split("WHERE")[0] not in known]
    return f"{len(few)} queries for one row, {len(many)} for {MANY}: {more[:3] or 'the same ones repeated'}"


def test_statistics_that_know_no_rows_do_not_multiply_the_work(
    grow: Callable[[int], None], sign_in: Callable[[User], Any], lena: User
) -> None:
    """As after rows that came and went: 'Needs my approval' then took a minute for 100 rows."""
    few = 10
    with transaction.atomic():
        grow(60)
        transaction.set_rollback(True)
    grow(few)
    client = sign_in(lena)
    with connection.cursor() as cursor:
        cursor.execute(
            "select pg_restore_relation_stats("
            "'schemaname', 'public', 'relname', relname::text, 'relpages', 50, 'reltuples', 0::real"
            ") from pg_class where relnamespace = 'public'::regnamespace and relkind in ('r', 'i')"
        )
    for path in PAGES:
        loops = {query: most_loops(query) for query in queries(path, client.get) if query.startswith("SELECT")}
        assert {query: number for query, number in loops.items() if number > (2 * few) ** 2} == {}, path


def most_loops(query: str) -> int:
    """Return how often the busiest step of a query's plan ran."""
    with connection.cursor() as cursor:
        cursor.execute("explain (analyze, format json) " + query)
        [[[plan]]] = cursor.fetchall()
    return max(int(step["Actual Loops"]) for step in steps(plan["Plan"]))


def steps(step: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield step
    for part in step.get("Plans", ()):
        yield from steps(part)
