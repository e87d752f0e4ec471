"""The queue's list under filters, searches and orders together: its pages, its tabs, its ends."""

import re
from datetime import timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from approvals.models import Decision, Status
from approvals.queries import people, queue
from approvals.queries.keyset import page
from approvals.queries.queue import Filters

pytestmark = pytest.mark.django_db

NARROWED = [
    {},
    {"q": "parser"},
    {"cwe": "CWE-79"},
    {"cwe": "CWE-79", "q": "parser"},
    {"cve": "CVE-2024-7777"},
    {"cve": "CVE-2024-7777", "q": "parser"},
    {"ecosystem": "npm"},
    {"producer": "patchgen", "wargaming": "passed"},
    {"policy": "low"},
    {"severity": "low", "q": "parser"},
    {"mine": True, "ecosystem": "npm"},
    {"escalated": True},
    {"sla": "none"},
    {"confidence_max": 0.6},
    {"wargaming": "disagrees"},
    {"policy": "nobody's"},
    {"producer": "nobody"},
]

RUN = {"phase1_success": True, "phase2_success": True, "validation_passed": True}


@pytest.fixture
def backlog(make_patch, approve, alice):
    """Fourteen patches, many of them equal in what each order sorts by."""
    now = timezone.now()
    for number in range(14):
        decision = make_patch(
            title=f"Overflow in the {'parser' if number % 2 else 'router'}",
            severity=("low", "high", "critical")[number % 3],
            cwe_ids=["CWE-79"] if number % 4 else ["CWE-89"],
            cve_id="CVE-2024-7777" if number % 3 else "CVE-2024-7778",
            ecosystem="npm" if number % 5 else "PyPI",
            ml_prediction={"confidence": (0.5, 0.9)[number % 2], "prediction": number % 4 > 1},
            wargaming_result={**RUN, "phase2_success": number % 3 > 0},
            now=now + timedelta(seconds=number // 4),
        )
        if number % 6 == 2:
            approve(decision, alice)  # of two
    Decision.objects.filter(pk__in=list(Decision.objects.values_list("pk", flat=True))[::5]).update(escalation_level=1)


def matching(filters, person, now, order):
    """Return the keys of what matches in order, read row by row from the decisions themselves."""
    narrow = set(queue.queue_rows(filters, now, person).values_list("pk", flat=True))
    rows = Decision.objects.filter(status=Status.PENDING).order_by(*queue.ORDERS[order])
    return [decision.pk for decision in rows if decision.pk in narrow]


@pytest.mark.parametrize("order", list(queue.ORDERS))
@pytest.mark.parametrize("narrowed", NARROWED, ids=str)
def test_pages_forth_and_back_show_every_match_once_in_order(backlog, bob_as_person, narrowed, order):
    now, filters, columns = timezone.now(), Filters(**narrowed), queue.ORDERS[order]
    narrow = queue.queue_rows(filters, now, bob_as_person)
    whole = matching(filters, bob_as_person, now, order)
    assert bool(whole) == ("nobody" not in str(narrowed))
    pages, cursor = [], None
    while True:
        shown = page(queue.pending(), columns, cursor, 3, narrow)
        pages.append([decision.pk for decision in shown.rows])
        if not (cursor := shown.next):
            break
    assert [pk for rows in pages for pk in rows] == whole
    back = []
    while cursor := shown.previous:
        shown = page(queue.pending(), columns, cursor, 3, narrow)
        back.insert(0, [decision.pk for decision in shown.rows])
    assert back == pages[:-1]


@pytest.mark.parametrize("narrowed", NARROWED, ids=str)
@pytest.mark.parametrize("read", [1, 20_000])
def test_the_tabs_agree_with_the_rows(backlog, bob_as_person, monkeypatch, narrowed, read):
    monkeypatch.setattr(queue, "READ_LIMIT", read)  # few are counted in one pass, many by priority
    now, filters = timezone.now(), Filters(**narrowed)
    counts = queue.counts_by_priority(filters, now, bob_as_person)
    for name in ("critical", "high", "medium", "low"):
        rows = queue.queue_rows(queue.having(filters, "priority", name), now, bob_as_person)
        assert counts[name] == len(rows)
    assert counts["all"] == len(queue.queue_rows(filters, now, bob_as_person))


def test_the_list_is_sorted_before_anything_wide_is_read(sign_in, alice, make_patch):
    make_patch()
    client = sign_in(alice)
    with CaptureQueriesContext(connection) as captured:
        client.get("/?cwe=CWE-79&sort=age")
    [shown] = [query["sql"] for query in captured.captured_queries if " LIMIT 26" in query["sql"]]
    inner = re.search(r"IN \((SELECT .* LIMIT 26)\)", shown)[1]
    assert "approvals_patch" not in inner
    assert "approvals_decision" not in inner


@pytest.mark.parametrize("counted", [1_000, 2])
def test_a_patch_knows_its_place_and_leads_to_its_neighbours(backlog, bob_as_person, monkeypatch, counted):
    monkeypatch.setattr(queue, "COUNT_LIMIT", counted)
    now, filters = timezone.now(), Filters(ecosystem="npm", q="parser")
    whole = matching(filters, bob_as_person, now, "confidence")
    rows = {decision.pk: decision for decision in Decision.objects.filter(pk__in=whole)}
    for place, pk in enumerate(whole):
        found = queue.around(rows[pk], filters, "confidence", bob_as_person, now)
        wanted = (whole[place - 1] if place else None, whole[place + 1] if place + 1 < len(whole) else None)
        assert (found.before, found.after) == tuple(pk and rows[pk].decision_id for pk in wanted)
        assert found.place == (place + 1 if place < counted else None)
        assert found.total == (min(len(whole), counted + 1) if place < counted else None)


def test_arrivals_are_those_that_match(backlog, bob_as_person, make_patch):
    now = timezone.now() + timedelta(minutes=1)
    rows = queue.queue_rows(Filters(ecosystem="npm"), now, bob_as_person)
    later = now + timedelta(minutes=1)
    new, other = make_patch(ecosystem="npm", now=later), make_patch(ecosystem="PyPI", now=later)
    old = Decision.objects.filter(patch__ecosystem="npm").earliest("pk")
    assert set(queue.arrivals(rows, now, []).values_list("pk", flat=True)) == {new.pk}
    named = [old.decision_id, other.decision_id]
    assert set(queue.arrivals(rows, now, named).values_list("pk", flat=True)) == {new.pk, old.pk}


@pytest.fixture
def bob_as_person(bob):
    return people.reviewer_from_db(bob)
