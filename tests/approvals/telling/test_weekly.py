"""The weekly digest says what waits, what came and was decided, and how long it took."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.utils import timezone

from approvals.models import User, Verdict
from approvals.telling.weekly import facts_of_week, tell_weekly
from notifications.models import Channel, Item, Notice, Preference, When

pytestmark = pytest.mark.django_db


def test_it_says_what_waits_what_came_and_how_long_it_took(make_patch: Any, approve: Any, alice: User) -> None:
    make_patch()
    approve(make_patch(), alice)
    approve(make_patch(), alice, Verdict.REJECT)
    facts = facts_of_week(timezone.now())
    assert facts["headline"] == "Your week: 3 came, 1 waiting"
    lines = [item["headline"] for item in facts["items"]]
    assert lines[:2] == ["1 waiting, 0 of them later than their SLA", "3 came in seven days: 1 approved, 1 rejected"]
    assert lines[2].startswith("Half of what people decided took them less than ")


def test_a_week_without_a_patch_is_said_as_such(db: None) -> None:
    lines = [item["headline"] for item in facts_of_week(timezone.now())["items"]]
    assert lines == ["0 waiting, 0 of them later than their SLA", "0 came in seven days: none is decided"]


def test_it_goes_to_who_chose_it_once_a_week(alice: User, bob: User) -> None:
    Preference.objects.create(person=alice, kind="weekly_digest", when=When.AT_ONCE, channels=[Channel.MAIL])
    monday = datetime(2026, 6, 8, 8, 0, tzinfo=UTC)
    assert [tell_weekly(monday + timedelta(hours=hours)) for hours in (-1, 0, 1, 24, 168)] == [0, 1, 0, 0, 1]
    assert set(Item.objects.values_list("person", flat=True)) == {alice.pk}
    assert Notice.objects.count() == 2
