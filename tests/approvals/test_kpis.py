"""The tiles over the queue: counted ahead by the worker, counted at once where no worker runs."""

from datetime import timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from approvals import jobs
from approvals.kpi_tiles import queue_tiles
from approvals.models import KeyFigures
from approvals.queries.kpis import FRESH, queue_kpis
from tests.html import one_line

pytestmark = pytest.mark.django_db


def shares(now):
    return {tile["label"]: tile["value"] for tile in queue_tiles(queue_kpis(now))}["Auto-approved, 30 days"]


def test_without_a_worker_the_tiles_are_counted_at_once(make_patch, approve, alice):
    assert shares(timezone.now()) == "–"
    approve(make_patch(), alice)
    assert shares(timezone.now() + timedelta(seconds=1)) == "0.0"


def test_the_worker_counts_them_ahead_and_the_page_reads_no_month_of_patches(make_patch, approve, alice):
    approve(make_patch(), alice)
    jobs.count_ahead(0)
    with CaptureQueriesContext(connection) as captured:
        assert shares(timezone.now()) == "0.0"
    assert not [query for query in captured.captured_queries if "percentile_cont" in query["sql"]]


def test_counting_again_replaces_what_was_kept(make_patch, approve, alice):
    jobs.count_ahead(0)
    approve(make_patch(), alice)
    assert shares(timezone.now()) == "–"
    jobs.count_ahead(0)
    assert shares(timezone.now()) == "0.0"
    assert KeyFigures.objects.count() == 1


def test_figures_of_a_worker_that_is_gone_are_not_shown(make_patch, approve, alice):
    jobs.count_ahead(0)
    approve(make_patch(), alice)
    assert shares(timezone.now() + FRESH + timedelta(seconds=10)) == "0.0"


def test_what_waited_and_was_late_in_the_last_day_is_drawn_and_said(make_patch, approve, alice):
    now = timezone.now()
    for hours in (30, 5, 1):
        make_patch(now=now - timedelta(hours=hours), severity="critical")  # due after four hours
    approve(make_patch(now=now - timedelta(hours=28)), alice, now=now - timedelta(hours=3))
    jobs.count_ahead(0)
    pending, late, *_ = queue_tiles(queue_kpis(timezone.now()))
    assert pending["course"] == [2] * 10 + [3, 2, 3]
    assert (pending["delta"], pending["direction"]) == ("1 in 24 h", "up")
    assert pending["course_words"] == "Over the last 24 hours: from 2 to 3, lowest 2, highest 3."
    assert late["course"][-1] == int(late["value"])


def test_the_month_is_held_against_the_one_before(make_patch, approve, alice):
    now = timezone.now()
    for days, minutes in [(40, 60), (20, 30), (10, 10)]:
        at = now - timedelta(days=days)
        approve(make_patch(now=at, clocks=False), alice, now=at + timedelta(minutes=minutes))
    jobs.count_ahead(0)
    median = queue_tiles(queue_kpis(timezone.now()))[2]
    assert (median["value"], median["unit"]) == ("20", "min")
    assert (median["delta"], median["direction"]) == ("40 min", "down")
    assert median["course_words"] == "Over the last 30 days: from 30 min to 10 min, lowest 10 min, highest 30 min."


def test_the_page_draws_them_and_asks_no_more_than_without(make_patch, approve, alice, sign_in):
    client = sign_in(alice)
    approve(make_patch(), alice)
    make_patch()
    plain = one_line(client.get(reverse("queue")))
    assert "Over the last" not in plain
    jobs.count_ahead(0)
    with CaptureQueriesContext(connection) as captured:
        drawn = one_line(client.get(reverse("queue")))
    assert drawn.count('class="spark ') == drawn.count("Over the last") >= 2
    assert not [query for query in captured.captured_queries if "generate_series" in query["sql"]]
