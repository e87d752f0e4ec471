"""The tiles over the queue: counted ahead by the worker, counted at once where no worker runs."""

from datetime import timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from approvals import jobs
from approvals.models import KeyFigures
from approvals.queries.kpis import FRESH, queue_kpis

pytestmark = pytest.mark.django_db


def shares(now):
    return {tile["label"]: tile["value"] for tile in queue_kpis(now)}["Auto-approved, 30 days"]


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
