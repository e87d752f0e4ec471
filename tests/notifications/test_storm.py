"""Too much at once: each person gets their limit of messages an hour, and one summary that names the rest."""

import threading
from collections import Counter
from datetime import UTC, datetime, time, timedelta
from typing import Any

import pytest
from django.contrib.auth.models import Group
from django.db import connection
from django.test.utils import CaptureQueriesContext

from approvals.models import User
from notifications.models import Channel, Delivery, HourlyCount, Hours, Item, Notice, Preference, When
from notifications.services.digests import gather_due
from notifications.services.notices import News, forget_counts, notify, settle

pytestmark = pytest.mark.django_db
NOW = datetime(2026, 6, 10, 12, 20, tzinfo=UTC)
ONE_O_CLOCK = datetime(2026, 6, 10, 13, 0, tzinfo=UTC)


@pytest.fixture(autouse=True)
def three_an_hour(settings: Any) -> None:
    settings.NOTIFICATIONS_PER_HOUR = 3


def told(number: int, *people: User, kind: str = "decision_required", now: datetime = NOW, **more: Any) -> None:
    for _ in range(number):
        one = Notice.objects.count()
        facts = {"headline": f"Patch {one} waits", "link": f"/patches/{one}"}
        news = News(kind, f"{kind}:{one}", str(one), facts, **more)
        notify(news, {person.pk: "you review" for person in people}, now=now)


def messages(person: User) -> list[str]:
    sent = Delivery.objects.filter(person=person, state="pending").order_by("due_at", "created_at")
    return list(sent.values_list("notice__kind", flat=True))


def test_beyond_the_limit_one_summary_at_the_end_of_the_hour_names_the_rest(alice: User) -> None:
    told(8, alice)
    assert messages(alice) == ["decision_required"] * 3
    gather_due(ONE_O_CLOCK - timedelta(seconds=1))
    assert len(messages(alice)) == 3
    gather_due(ONE_O_CLOCK)
    assert messages(alice) == ["decision_required"] * 3 + ["summary"]
    facts = Notice.objects.get(kind="summary").facts
    assert facts["headline"] == "5 notices more than you are sent one by one: Decision required"
    assert [item["headline"] for item in facts["items"]] == [f"Patch {one} waits" for one in (7, 6, 5, 4, 3)]
    assert facts["items"][0].items() >= {"kind": "decision_required", "link": "/patches/7", "why": "you review"}.items()
    assert facts["more"] == 0
    assert Item.objects.filter(person=alice).count() == 8  # the inbox has each of them, and no summary


def test_each_kind_and_each_person_has_a_limit_of_their_own_and_what_is_critical_counts(alice: User, bob: User) -> None:
    told(3, alice)
    told(1, alice, bob, critical=True)
    told(1, alice, kind="urgent")
    assert messages(alice) == ["decision_required"] * 3 + ["urgent"]
    assert messages(bob) == ["decision_required"]


def test_one_summary_names_what_is_beyond_several_limits(alice: User) -> None:
    told(4, alice)
    told(5, alice, kind="urgent")
    gather_due(ONE_O_CLOCK)
    summary = Notice.objects.get(kind="summary")
    assert Counter(item["kind"] for item in summary.facts["items"]) == {"decision_required": 1, "urgent": 2}
    assert "Decision required, Time runs out" in summary.facts["headline"]


def test_the_next_hour_begins_anew(alice: User) -> None:
    told(4, alice)
    told(2, alice, now=ONE_O_CLOCK)
    assert messages(alice) == ["decision_required"] * 5


def test_a_night_of_notices_is_no_storm_in_the_morning(alice: User) -> None:
    Hours.objects.create(person=alice, quiet_from=time(22), quiet_until=time(7))
    for hour in range(8):
        told(2, alice, now=datetime(2026, 6, 10, 22, 10, tzinfo=UTC) + timedelta(hours=hour))
    morning = datetime(2026, 6, 11, 7, 0, tzinfo=UTC)
    assert set(Delivery.objects.values_list("due_at", flat=True)) == {morning}
    assert messages(alice) == ["decision_required"] * 3
    gather_due(morning + timedelta(hours=1))
    assert len(Notice.objects.get(kind="summary").facts["items"]) == 13


def test_what_was_settled_or_read_meanwhile_is_in_no_summary(alice: User) -> None:
    told(6, alice)
    settle("4", now=NOW)
    Item.objects.filter(notice__subject="5").update(read_at=NOW)
    gather_due(ONE_O_CLOCK)
    assert [item["headline"] for item in Notice.objects.get(kind="summary").facts["items"]] == ["Patch 3 waits"]


def test_no_summary_comes_where_all_of_it_was_settled(alice: User) -> None:
    told(4, alice)
    settle("3", now=NOW)
    gather_due(ONE_O_CLOCK)
    assert not Notice.objects.filter(kind="summary").exists()


def test_a_summary_reaches_people_as_they_chose_for_it(alice: User, bob: User) -> None:
    Preference.objects.create(person=alice, kind="summary", when=When.NEVER)
    Preference.objects.create(person=bob, kind="summary", when=When.AT_ONCE, channels=[Channel.SLACK])
    told(4, alice, bob)
    gather_due(ONE_O_CLOCK)
    assert messages(alice) == ["decision_required"] * 3
    assert Delivery.objects.get(notice__kind="summary").channel == Channel.SLACK


def test_what_is_written_after_the_summary_was_comes_with_the_next(alice: User) -> None:
    told(4, alice)
    gather_due(ONE_O_CLOCK)
    told(1, alice)  # whose transaction took longer than the hour
    gather_due(ONE_O_CLOCK + timedelta(seconds=15))
    assert Notice.objects.filter(kind="summary").count() == 1
    gather_due(ONE_O_CLOCK + timedelta(hours=1))
    [first, second] = Notice.objects.filter(kind="summary").order_by("pk")
    assert [len(first.facts["items"]), len(second.facts["items"])] == [1, 1]


def test_hours_long_past_are_not_counted_for_ever(alice: User) -> None:
    told(1, alice)
    forget_counts(NOW + timedelta(hours=36))
    assert HourlyCount.objects.exists()
    forget_counts(NOW + timedelta(days=3))
    assert not HourlyCount.objects.exists()


@pytest.mark.django_db(transaction=True)
def test_several_that_tell_at_the_same_time_count_one_another(alice: User, bob: User) -> None:
    together = threading.Barrier(4)

    def tell(teller: int) -> None:
        together.wait()
        for one in range(4):
            news = News("urgent", f"{teller}-{one}", "x", {"headline": "x", "link": "/"})
            notify(news, {bob.pk: "x", alice.pk: "x"}, now=NOW)
        connection.close()

    tellers = [threading.Thread(target=tell, args=[number]) for number in range(4)]
    for teller in tellers:
        teller.start()
    for teller in tellers:
        teller.join()
    for person in (alice, bob):
        assert Delivery.objects.filter(person=person).count() == 3
        assert Item.objects.filter(person=person, beyond_limit=True).count() == 13


def group_of(number: int) -> list[User]:
    people = User.objects.bulk_create(
        User(username=f"reviewer-{one}", email=f"reviewer-{one}@example.org") for one in range(number)
    )
    Group.objects.get(name="reviewer").user_set.add(*people)
    return people


def two_hundred_hear(patches: int) -> None:
    """Tell 200 people of so many patches; fail unless each has the limit of messages and a summary counts the rest."""
    people = group_of(200)
    told(patches, *people)
    gather_due(ONE_O_CLOCK)
    sent = Counter(Delivery.objects.values_list("person", "notice__kind"))
    assert sent == {(one.pk, kind): number for one in people for kind, number in LIMIT}
    for facts in Notice.objects.filter(kind="summary").values_list("facts", flat=True):
        assert facts["headline"].startswith(f"{patches - 10} notices more ")
        assert len(facts["items"]) + facts["more"] == patches - 10


def test_two_hundred_people_hear_of_many_patches_in_a_minute(settings: Any) -> None:
    settings.NOTIFICATIONS_PER_HOUR = 10
    two_hundred_hear(14)


LIMIT = [("decision_required", 10), ("summary", 1)]


def test_to_tell_two_hundred_people_takes_as_many_statements_as_to_tell_one(alice: User) -> None:
    people = group_of(200)
    statements = []
    for audience in ([alice], people, [alice, *people]):
        with CaptureQueriesContext(connection) as captured:
            told(1, *audience)
        statements.append(len(captured) - 1)  # without that of `told`
    assert statements == [9, 9, 9]  # seven, in a savepoint
