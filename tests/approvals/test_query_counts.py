"""A list of 100 rows runs the same queries as a list of one, and none of them loads a diff."""

from collections.abc import Callable
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from approvals.models import Decision, User, Verdict
from approvals.services.dispatch import dispatch
from tests.cast import Api

pytestmark = pytest.mark.django_db

Get = Callable[[str], Any]
MANY = 100

PAGES = ["/", "/?sort=age", "/?q=flask", "/?mine=on", "/history", "/audit/entries"]
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
            approve(make_patch(), (alice, bob)[one % 2], (Verdict.APPROVE, Verdict.REJECT)[one % 2])
        while dispatch():
            pass

    return add


@pytest.mark.parametrize("path", PAGES)
def test_a_page(path: str, grow: Callable[[int], None], sign_in: Callable[[User], Any], lena: User) -> None:
    same_queries(path, sign_in(lena).get, grow)


@pytest.mark.parametrize("path", BY_PERSON)
def test_a_list_for_people(path: str, grow: Callable[[int], None], lena: User) -> None:
    same_queries(path, Api(user=lena).get, grow)


@pytest.mark.parametrize("path", BY_MACHINE)
def test_a_list_for_machines(path: str, grow: Callable[[int], None], token_for: Callable[..., str]) -> None:
    same_queries(path, Api(token_for(BY_MACHINE[path], "reader")).get, grow)


def same_queries(path: str, get: Get, grow: Callable[[int], None]) -> None:
    grow(1)
    get(path)  # what is read once a process or once a session
    few = queries(path, get)
    grow(MANY - 1)
    many = queries(path, get)
    assert len(many) == len(few), difference(few, many)
    assert not [query for query in many if "patchcontent" in query], "a list loads a diff"


def queries(path: str, get: Get) -> list[str]:
    with CaptureQueriesContext(connection) as captured:
        answer = get(path)
    assert answer.status_code == 200
    return [query["sql"] for query in captured.captured_queries]


def difference(few: list[str], many: list[str]) -> str:
    """Return the queries that only the long list ran, without their values."""
    known = {query.split("WHERE")[0] for query in few}
    more = [query[:200] for query in many if query.split("WHERE")[0] not in known]
    return f"{len(few)} queries for one row, {len(many)} for {MANY}: {more[:3] or 'the same ones repeated'}"
