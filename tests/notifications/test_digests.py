"""Digests: once a day in the person's zone, also when clocks change and two workers gather; once a week by choice."""

import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from django.db import connection, transaction

from approvals.models import User
from notifications.models import Channel, Delivery, Hours, Item, Notice, Preference, When
from notifications.services.digests import gather_due, send_weekly, weekly_due
from notifications.services.notices import News, notify, settle

pytestmark = pytest.mark.django_db
BERLIN = ZoneInfo("Europe/Berlin")


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=BERLIN)


@pytest.fixture
def anna(alice: User) -> User:
    """Return somebody in Berlin who wants to hear once a day that patches wait."""
    alice.time_zone = "Europe/Berlin"
    alice.save(update_fields=["time_zone"])
    Preference.objects.create(person=alice, kind="decision_required", when=When.DIGEST)
    return alice


def told(person: User, one: str, now: datetime, *, kind: str = "decision_required", **more: Any) -> None:
    facts = {"headline": f"Patch {one} waits", "link": f"/patches/{one}"}
    notify(News(kind, f"{kind}:{one}", one, facts, **more), {person.pk: "you review"}, now=now)


def digests() -> list[list[str]]:
    found = Notice.objects.filter(kind="daily_digest").order_by("pk")
    return [[item["headline"] for item in notice.facts["items"]] for notice in found]


def test_what_came_in_a_day_goes_out_at_the_hour_of_the_digest(anna: User) -> None:
    told(anna, "1", at("2026-06-10T09:00"))
    told(anna, "2", at("2026-06-10T23:00"))
    gather_due(at("2026-06-11T07:59"))
    assert not Delivery.objects.exists()
    gather_due(at("2026-06-11T08:00"))
    [digest] = Notice.objects.filter(kind="daily_digest")
    assert digest.key == f"daily_digest:{anna.pk}:2026-06-11"
    assert digest.facts["headline"] == "2 notices for you today"
    assert digest.facts["link"] == "/inbox"
    [sent] = Delivery.objects.all()
    assert (sent.person, sent.channel, sent.notice) == (anna, Channel.MAIL, digest)
    assert Item.objects.count() == 2  # the digest itself is no item of the inbox


def test_a_day_without_news_has_no_digest(anna: User) -> None:
    told(anna, "1", at("2026-06-10T09:00"))
    told(anna, "2", at("2026-06-10T09:00"))
    settle("1", now=at("2026-06-10T10:00"))
    Item.objects.filter(notice__subject="2").update(read_at=at("2026-06-10T10:00"))
    gather_due(at("2026-06-11T08:00"))
    assert not Notice.objects.filter(kind="daily_digest").exists()
    assert not Item.objects.exclude(digest_at=None).exists()


def test_what_asks_comes_first_then_what_is_critical_then_the_newest(anna: User) -> None:
    for kind in ("decided", "decision_required"):
        for one in (f"{kind} a", f"{kind} b"):
            told(anna, one, at("2026-06-10T09:00"), kind=kind, critical=one.endswith("a"))
    told(anna, "decided c", at("2026-06-10T09:00"), kind="decided")
    gather_due(at("2026-06-11T08:00"))
    order = ["decision_required a", "decision_required b", "decided a", "decided c", "decided b"]
    assert digests() == [[f"Patch {one} waits" for one in order]]


@pytest.mark.parametrize("first", ["2026-03-27", "2026-10-23"])
def test_once_a_day_also_when_clocks_change(anna: User, first: str) -> None:
    """The digest of Berlin goes out at eight o'clock there, each day."""
    begins = at(f"{first}T00:30")
    for passed in range(5 * 24):
        now = begins.astimezone(UTC) + timedelta(hours=passed)
        told(anna, f"{passed}", now)
        gather_due(now)
    sent = [notice.at.astimezone(BERLIN) for notice in Notice.objects.filter(kind="daily_digest").order_by("at")]
    assert [f"{each:%d %H:%M}" for each in sent] == [f"{begins.day + day} 08:30" for day in range(5)]


def test_what_is_written_after_the_digest_was_comes_the_next_day(anna: User) -> None:
    told(anna, "1", at("2026-06-11T07:59"))
    gather_due(at("2026-06-11T08:00"))
    told(anna, "2", at("2026-06-11T07:59"))
    gather_due(at("2026-06-11T08:01"))
    assert digests() == [["Patch 1 waits"]]
    gather_due(at("2026-06-12T08:00"))
    assert digests() == [["Patch 1 waits"], ["Patch 2 waits"]]


def test_a_worker_that_was_down_sends_it_late_and_the_next_one_in_time(anna: User) -> None:
    told(anna, "1", at("2026-06-10T09:00"))
    gather_due(at("2026-06-12T03:00"))
    told(anna, "2", at("2026-06-12T04:00"))
    gather_due(at("2026-06-12T08:00"))
    assert digests() == [["Patch 1 waits"], ["Patch 2 waits"]]


def test_a_reviewer_on_holiday_gets_one_digest_instead_of_four_hundred_mails(anna: User) -> None:
    Preference.objects.all().delete()
    Hours.objects.create(person=anna, away_until=at("2026-06-22T00:00"))
    for one in range(400):
        told(anna, str(one), at("2026-06-08T09:00") + timedelta(minutes=47 * one), critical=one % 2 == 0)
    gather_due(at("2026-06-21T12:00"))
    assert not Delivery.objects.exists()
    gather_due(at("2026-06-22T08:00"))
    [digest] = Notice.objects.exclude(kind="decision_required")
    assert digest.facts["headline"] == "400 notices for you today"
    assert (len(digest.facts["items"]), digest.facts["more"]) == (100, 300)
    assert Delivery.objects.get().notice == digest


def test_a_delegation_counts_as_away_where_the_caller_says_so(anna: User, bob: User) -> None:
    news = News("urgent", "urgent:1", "1", {"headline": "x", "link": "/"})
    until = at("2026-06-22T00:00")
    why = {anna.pk: "you review", bob.pk: "you stand in"}
    notify(news, why, now=at("2026-06-10T09:00"), away={anna.pk: until})
    assert Delivery.objects.get().person == bob
    assert Item.objects.get(person=anna).digest_at == at("2026-06-22T08:00")


def test_who_leaves_with_a_digest_to_come_gets_it_after_their_return(anna: User) -> None:
    told(anna, "1", at("2026-06-10T09:00"))
    Hours.objects.create(person=anna, away_until=at("2026-06-22T00:00"))
    gather_due(at("2026-06-11T08:00"))
    assert digests() == []
    gather_due(at("2026-06-22T08:00"))
    assert digests() == [["Patch 1 waits"]]


def test_who_was_switched_off_is_sent_nothing(anna: User) -> None:
    told(anna, "1", at("2026-06-10T09:00"))
    User.objects.update(is_active=False)
    gather_due(at("2026-06-11T08:00"))
    told(anna, "2", at("2026-06-11T09:00"))
    assert not Delivery.objects.exists()
    assert not Item.objects.exclude(digest_at=None).exists()


@pytest.mark.django_db(transaction=True)
def test_two_workers_send_one_digest(anna: User) -> None:
    for one in range(30):
        told(anna, str(one), at("2026-06-10T09:00"))
    together = threading.Barrier(2)

    def gather() -> None:
        together.wait()
        gather_due(at("2026-06-11T08:00"))
        connection.close()

    workers = [threading.Thread(target=gather) for _ in range(2)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    [only] = digests()
    assert len(only) == 30
    assert Delivery.objects.count() == 1


@pytest.mark.django_db(transaction=True)
def test_what_is_just_being_settled_holds_no_digest_up_and_is_not_in_it(anna: User) -> None:
    told(anna, "1", at("2026-06-10T09:00"))
    told(anna, "2", at("2026-06-10T09:00"))
    settled, gathered = threading.Event(), threading.Event()

    def decide() -> None:
        with transaction.atomic():
            settle("1", now=at("2026-06-11T07:59"))
            settled.set()
            assert gathered.wait(30)
        connection.close()

    deciding = threading.Thread(target=decide)
    deciding.start()
    assert settled.wait(30)
    gather_due(at("2026-06-11T08:00"))
    gathered.set()
    deciding.join()
    gather_due(at("2026-06-12T08:00"))
    assert digests() == [["Patch 2 waits"]]


@pytest.fixture
def weekly(anna: User, bob: User) -> Callable[[str], int]:
    """Return what sends the weekly digest at a time; Anna chose it, Bob did not."""
    Preference.objects.create(person=anna, kind="weekly_digest", when=When.AT_ONCE, channels=[Channel.MAIL])

    def send(now: str) -> int:
        facts = {"headline": "12 patches wait", "link": "/analytics"}
        return send_weekly(weekly_due(at(now)), facts, at(now))

    return send


def test_the_weekly_digest_comes_on_mondays_to_who_chose_it(anna: User, weekly: Callable[[str], int]) -> None:
    assert weekly("2026-06-08T07:59") == 0  # a Monday
    assert weekly("2026-06-08T08:10") == 1
    assert weekly("2026-06-08T08:20") == 0
    assert weekly("2026-06-10T08:00") == 0
    assert weekly("2026-06-15T08:00") == 1
    assert list(Item.objects.values_list("person", "notice__facts__headline")) == [(anna.pk, "12 patches wait")] * 2
    assert Delivery.objects.filter(notice__kind="weekly_digest", person=anna).count() == 2
