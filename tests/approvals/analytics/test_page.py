"""The analytics page: whole days of the reader's calendar, changes said once, late patches that wait named so."""

import re
from datetime import timedelta

import pytest
from django.urls import reverse
from django.utils import timezone

from approvals.kpi_tiles import count_tile, rate_tile
from tests.html import one_line

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize("days", [7, 28, 90])
def test_a_period_has_as_many_days_as_it_says(sign_in, lena, days):
    page = sign_in(lena).get(reverse("analytics"), {"days": days})
    assert len(page.context["charts"][0]["table"]["rows"]) == days


def test_a_change_is_said_once():
    assert (count_tile("Patches", 698, 100)["delta"], count_tile("Patches", 698, 100)["direction"]) == ("598 %", "up")
    assert (rate_tile("SLA met", 0.5, 0.75)["delta"], rate_tile("SLA met", 0.5, 0.75)["direction"]) == (
        "25.0 pts",
        "down",
    )


def test_a_late_patch_that_waits_is_named_beside_the_share(sign_in, lena, make_patch):
    make_patch(severity="critical", now=timezone.now() - timedelta(minutes=9))
    text = one_line(sign_in(lena).get(reverse("analytics")))
    assert re.search(r"0 of 1</small><br><small>1 still waits</small>", text)
