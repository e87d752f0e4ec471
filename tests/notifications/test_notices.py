"""What is told whom: once, with what each person chose, and no longer once nobody needs to act."""

from typing import Any

import pytest
from django.utils import timezone

from notifications.models import Channel, Delivery, Item, Notice, Preference, When
from notifications.services.notices import News, notify, settle

pytestmark = pytest.mark.django_db

NEWS = News("decision_required", "decision_required:1", "1", {"headline": "A patch waits", "link": "/patches/1"})


def test_each_person_has_an_item_and_a_mail_and_the_team_one_message(alice: Any, bob: Any) -> None:
    notify(NEWS, {alice.pk: "you review", bob.pk: "you lead"}, now=timezone.now(), team=(Channel.SLACK,))
    assert set(Item.objects.values_list("person", "why")) == {(alice.pk, "you review"), (bob.pk, "you lead")}
    told = Delivery.objects.values_list("channel", "person")
    assert sorted(told, key=str) == sorted([("mail", alice.pk), ("mail", bob.pk), ("slack", None)], key=str)


def test_the_team_is_told_where_it_is_set_up_of_what_concerns_it(settings: Any) -> None:
    settings.SLACK_WEBHOOK_URL, settings.TEAMS_WEBHOOK_URL = "https://hooks.slack.example/1", ""
    notify(NEWS, {}, now=timezone.now())
    assert not Delivery.objects.exists()
    notify(News("urgent", "urgent:1", "1", NEWS.facts), {}, now=timezone.now())
    assert Delivery.objects.get(person=None).channel == Channel.SLACK


def test_the_same_news_is_told_once(alice: Any) -> None:
    assert notify(NEWS, {alice.pk: "you review"}, now=timezone.now())
    assert notify(NEWS, {alice.pk: "you review"}, now=timezone.now(), team=(Channel.SLACK,)) is None
    assert (Notice.objects.count(), Item.objects.count(), Delivery.objects.count()) == (1, 1, 1)


def test_who_chose_the_inbox_alone_gets_no_mail(alice: Any) -> None:
    Preference.objects.create(person=alice, kind=NEWS.kind, when=When.NEVER)
    notify(NEWS, {alice.pk: "you review"}, now=timezone.now())
    assert (Item.objects.count(), Delivery.objects.count()) == (1, 0)


def test_what_nobody_needs_to_act_on_any_more_is_not_sent(alice: Any) -> None:
    now = timezone.now()
    notify(NEWS, {alice.pk: "you review"}, now=now)
    notify(News("decided", "decided:1", "1", NEWS.facts), {alice.pk: "it is yours"}, now=now)
    assert settle("1", now=now) == 1
    assert Delivery.objects.get(notice__kind=NEWS.kind).state == "dropped"
    assert Notice.objects.get(kind="decided").settled_at is None
    assert settle("1", now=now) == 0
