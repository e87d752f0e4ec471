"""Paging of GET /hitl/patches/pending: cursors, offsets, the link that leads on."""

import base64
from datetime import timedelta

import pytest
from django.utils import timezone

from approvals.models import Decision
from approvals.queries import queue
from approvals.queries.keyset import page
from tests.approvals.api.test_pending import PENDING, ids
from tests.cast import Api

pytestmark = pytest.mark.django_db


def follow(api: Api, **parameters) -> list[str]:
    """Return the patch_ids of every page, following `Link: rel="next"`."""
    answer = api.get(PENDING, **parameters)
    found = ids(answer)
    while link := answer.get("Link"):
        assert link.endswith('>; rel="next"')
        answer = api.client.get(link[1 : link.index(">")])
        found += ids(answer)
        assert len(found) < 100
    return found


@pytest.mark.parametrize("sort", list(queue.ORDERS))
@pytest.mark.parametrize("limit", [1, 2, 3, 7, 8])
def test_paging_shows_every_row_once_even_where_all_are_equal(producer_api, make_patch, sort, limit):
    now = timezone.now()
    for number in range(7):
        make_patch(patch_id=f"P{number}", severity="low" if number % 3 else "high", now=now)
    whole = ids(producer_api.get(PENDING, sort=sort))
    assert sorted(whole) == [f"P{number}" for number in range(7)]
    assert follow(producer_api, sort=sort, limit=limit) == whole


@pytest.mark.parametrize("sort", list(queue.ORDERS))
def test_paging_back_shows_the_same_pages(make_patch, sort):
    now = timezone.now()
    for number in range(7):
        make_patch(severity="low" if number % 3 else "high", now=now)
    rows, order = Decision.objects.filter(status="pending"), queue.ORDERS[sort]
    pages, cursor = [], None
    while True:
        shown = page(rows, order, cursor, 3)
        pages.append(shown)
        if not (cursor := shown.next):
            break
    assert [len(shown.rows) for shown in pages] == [3, 3, 1]
    assert (pages[0].previous, pages[-1].next) == (None, None)
    back = page(rows, order, pages[-1].previous, 3)
    assert back.rows == pages[1].rows
    first = page(rows, order, back.previous, 3)
    assert (first.rows, first.previous) == (pages[0].rows, None)
    assert page(rows, order, first.next, 3).rows == pages[1].rows


def test_rows_that_arrive_while_paging_repeat_none(producer_api, make_patch):
    now = timezone.now()
    for number in range(4):
        make_patch(patch_id=f"P{number}", now=now + timedelta(seconds=number))
    first = producer_api.get(PENDING, limit=2)
    make_patch(patch_id="urgent", severity="critical")
    link = first["Link"]
    assert ids(producer_api.client.get(link[1 : link.index(">")])) == ["P2", "P3"]


def test_the_link_keeps_the_filters(producer_api, make_patch):
    for number in range(3):
        make_patch(patch_id=f"P{number}", package_name="a&b=c é")
    make_patch(package_name="other")
    assert sorted(follow(producer_api, limit=1, package="a&b=c é")) == ["P0", "P1", "P2"]


def encoded(text: str) -> str:
    return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


FORGED = [
    "x",
    "é",
    "====",
    encoded("5"),
    encoded("[]"),
    encoded("{}"),
    encoded('{"a": 1}'),
    encoded('[false, "x", "y", 1]'),
    encoded("[false, 1, 2, 3]"),
    encoded("[false, 1, 2]"),
    encoded('[false, 1, "2026-01-01T00:00:00", 3]'),
    encoded('[false, "2026-01-01T00:00:00", 3]'),
    encoded('[false, "2026-01-01T00:00:00+00:00", "2026-01-01T00:00:00+00:00", 3]'),
    encoded('[false, "2026-01-01T00:00:00+00:00", "2026-01-01T00:00:00+00:00"]'),
    encoded("[false, NaN, 1]"),
    encoded("[false, Infinity, Infinity]"),
    encoded('[false, Infinity, "2026-01-01T00:00:00+00:00", 3]'),
    encoded('[false, NaN, "2026-01-01T00:00:00+00:00", 3]'),
    encoded('[false, 1, "0001-01-01T00:00:00+23:00", NaN]'),
    encoded("[" * 2000),
    encoded("[1" + "0" * 5000 + "]"),
    encoded("[false, 1, [2], 3]"),
    encoded("[false, null, null, null]"),
]


@pytest.mark.parametrize("cursor", FORGED)
def test_a_forged_cursor_is_422_and_never_a_crash(producer_api, cursor):
    for sort in queue.ORDERS:
        answer = producer_api.get(PENDING, cursor=cursor, sort=sort)
        # The number of another order's column can be a lawful one of this order: then it is just a place in it.
        lawful = cursor in {
            encoded("[false, 1, 2]"),
            encoded("[false, NaN, 1]"),
            encoded("[false, Infinity, Infinity]"),
        }
        assert answer.status_code == 422 or (lawful and sort == "confidence"), (sort, answer.content)
        if answer.status_code == 422:
            assert answer.json()["errors"][0]["loc"] == ["query", "cursor"]


def test_a_number_beyond_the_column_finds_nothing(producer_api, make_patch):
    make_patch()
    cursor = encoded('[false, 4, "2026-01-01T00:00:00+00:00", 99999999999999999999999]')
    assert producer_api.get(PENDING, cursor=cursor).status_code in {200, 422}


def test_offset_and_limit(producer_api, make_patch):
    now = timezone.now()
    for number in range(5):
        make_patch(patch_id=f"P{number}", now=now + timedelta(seconds=number))
    answer = producer_api.get(PENDING, offset=3, limit=1)
    assert (ids(answer), answer["X-Total-Count"]) == (["P3"], "5")
    assert ids(producer_api.get(PENDING, offset=10_000)) == []


@pytest.mark.parametrize("sort", list(queue.ORDERS))
def test_a_page_at_an_offset_leads_on_to_the_rest(producer_api, make_patch, sort):
    now = timezone.now()
    for number in range(7):
        make_patch(patch_id=f"P{number}", severity="low" if number % 3 else "high", now=now, package_name="a&b")
    make_patch(package_name="other")
    whole = follow(producer_api, sort=sort, package="a&b")
    assert follow(producer_api, sort=sort, package="a&b", offset=1, limit=2) == whole[1:]
    assert "Link" not in producer_api.get(PENDING, offset=3, limit=5)


def test_offset_and_cursor_together_are_422(producer_api, make_patch):
    for _ in range(3):
        make_patch()
    link = producer_api.get(PENDING, limit=1)["Link"]
    answer = producer_api.client.get(link[1 : link.index(">")] + "&offset=1")
    assert (answer.status_code, answer.json()["errors"][0]["loc"]) == (422, ["query", "offset"])
