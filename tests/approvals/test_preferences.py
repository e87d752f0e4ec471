"""What people choose to be told, and when: it counts from then on, for themselves alone."""

import re
from collections.abc import Callable
from datetime import UTC, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from django.test import Client
from django.utils import timezone

from approvals.models import User
from approvals.queries.delegations import away_until
from approvals.services import absence
from audit.models import Entry
from notifications.kinds import ALL_KINDS
from notifications.models import Delivery, Hours, Item, Preference
from notifications.services.notices import News, notify
from tests.cast import actor_for

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("mail_server")]
SignIn = Callable[[User], Client]
ADDRESS = "/accounts/notifications"


def chosen(**changes: Any) -> dict[str, Any]:
    fields: dict[str, Any] = {f"way_{kind.name}": "inbox" for kind in ALL_KINDS}
    return fields | {"digest_hour": 8} | changes


def ticked(client: Client) -> dict[str, str]:
    page = client.get(ADDRESS).content.decode()
    boxes = [
        dict(re.findall(r'(\w+)="([^"]*)"', tag)) | {"on": "checked" in tag}
        for tag in re.findall(r"<input[^>]*radio[^>]*>", page)
    ]
    return {str(box["name"])[4:]: str(box["value"]) for box in boxes if box["on"]}


def told(person: User, kind: str = "decision_required", one: str = "1") -> None:
    notify(News(kind, f"{kind}:{one}", one, {"headline": "x", "link": "/"}), {person.pk: "x"}, now=timezone.now())


def test_the_page_shows_what_holds_for_who_chose_nothing(alice: User, sign_in: SignIn) -> None:
    shown = ticked(sign_in(alice))
    assert set(shown) == {kind.name for kind in ALL_KINDS}
    assert {name: way for name, way in shown.items() if way != "mail"} == {
        "decided": "digest",
        "expired": "digest",
        "weekly_digest": "inbox",
    }


def test_what_is_chosen_is_shown_and_counts(alice: User, bob: User, sign_in: SignIn) -> None:
    client = sign_in(alice)
    choice = {"way_decision_required": "digest", "way_urgent": "mail", "way_reminder": "inbox"}
    hours = {"quiet_from": "22:00", "quiet_until": "07:00", "critical_breaks_through": "on", "digest_hour": "6"}
    assert client.post(ADDRESS, chosen(**choice, **hours)).status_code == 302
    shown = ticked(client)
    assert {name: shown[name] for name in ("decision_required", "urgent", "reminder")} == {
        "decision_required": "digest",
        "urgent": "mail",
        "reminder": "inbox",
    }
    kept = Hours.objects.get(person=alice)
    assert (kept.quiet_from, kept.quiet_until, kept.critical_breaks_through) == (time(22), time(7), True)
    assert kept.digest_hour == 6
    told(alice)
    told(alice, "reminder")
    assert not Delivery.objects.exists()
    assert Item.objects.exclude(digest_at=None).get().notice.kind == "decision_required"
    told(alice, "urgent")
    assert Delivery.objects.get().person == alice
    told(bob, one="2")  # what somebody else chose is theirs
    assert Delivery.objects.filter(person=bob).count() == 1


def test_to_choose_again_replaces_it_and_keeps_the_slack_user(alice: User, sign_in: SignIn) -> None:
    Hours.objects.create(person=alice, slack_id="U123")
    client = sign_in(alice)
    for way in ("digest", "mail"):
        client.post(ADDRESS, chosen(way_urgent=way, quiet_from="22:00", quiet_until="07:00"))
    client.post(ADDRESS, chosen(way_urgent="mail"))
    assert Preference.objects.get(person=alice, kind="urgent").when == "at_once"
    kept = Hours.objects.get(person=alice)
    assert (kept.slack_id, kept.quiet_from) == ("U123", None)


def test_it_leaves_no_entry_in_the_log(alice: User, sign_in: SignIn) -> None:
    client = sign_in(alice)
    before = Entry.objects.count()
    client.post(ADDRESS, chosen())
    assert Entry.objects.count() == before


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"quiet_from": "22:00"}, "Quiet hours need both times"),
        ({"quiet_from": "25:00", "quiet_until": "07:00"}, "Enter a valid time"),
        ({"digest_hour": "24"}, "Select a valid choice"),
        ({"way_urgent": "fax"}, "Select a valid choice"),
        ({"way_urgent": ""}, "Choose one."),
        ({"way_daily_digest": "digest"}, "Select a valid choice"),
        ({"away_until": "31.02.2026"}, "Enter a valid date"),
    ],
)
def test_what_is_wrong_is_said_and_nothing_is_saved(
    wrong: dict[str, str], words: str, alice: User, sign_in: SignIn
) -> None:
    answer = sign_in(alice).post(ADDRESS, chosen(**wrong))
    assert answer.status_code == 422
    assert words in answer.content.decode()
    assert not Preference.objects.exists()
    assert not Hours.objects.exists()


def test_slack_stands_there_only_for_who_linked_it_where_it_is_set_up(
    alice: User, sign_in: SignIn, settings: Any
) -> None:
    client = sign_in(alice)
    for token, slack_id in (("", "U0ALICE"), ("xoxb-1", "")):
        settings.SLACK_BOT_TOKEN = token
        Hours.objects.update_or_create(person=alice, defaults={"slack_id": slack_id})
        assert "Mail and Slack" not in client.get(ADDRESS).content.decode()
        assert client.post(ADDRESS, chosen(way_urgent="slack")).status_code == 422
    Hours.objects.update(slack_id="U0ALICE")
    assert client.post(ADDRESS, chosen(way_urgent="both", way_reminder="slack")).status_code == 302
    shown = ticked(client)
    assert (shown["urgent"], shown["reminder"]) == ("both", "slack")
    told(alice, "urgent")
    assert set(Delivery.objects.values_list("channel", flat=True)) == {"mail", "slack"}


def test_who_is_away_names_the_last_day_and_is_told_after_it(alice: User, sign_in: SignIn) -> None:
    alice.time_zone = "Asia/Tokyo"
    alice.save(update_fields=["time_zone"])
    tokyo = ZoneInfo("Asia/Tokyo")
    last = (timezone.now().astimezone(tokyo) + timedelta(days=10)).date()
    client = sign_in(alice)
    client.post(ADDRESS, chosen(way_urgent="mail", away_until=last.isoformat()))
    back = datetime.combine(last + timedelta(days=1), time(0), tokyo)
    assert Hours.objects.get(person=alice).away_until == back
    assert f'value="{last.isoformat()}"' in client.get(ADDRESS).content.decode()
    told(alice, "urgent")
    assert Item.objects.get().digest_at == back + timedelta(hours=8)
    client.post(ADDRESS, chosen(way_urgent="mail", digest_hour=9))  # back earlier
    assert Item.objects.filter(digest_at__lt=timezone.now() + timedelta(hours=25)).count() == 1
    told(alice, "urgent", "2")
    assert list(Delivery.objects.values_list("notice__subject", flat=True)) == ["2"]


def test_a_running_delegation_counts_as_away(alice: User, bob: User, sign_in: SignIn) -> None:
    now = timezone.now()
    mine: dict[str, Any] = {"actor": actor_for(alice), "now": now}
    made = absence.delegate(alice, bob, now, now + timedelta(days=2), "holiday", **mine)
    assert away_until([alice.pk, bob.pk], now) == {alice.pk: now + timedelta(days=2)}
    assert "Somebody stands in for you until" in sign_in(alice).get(ADDRESS).content.decode()
    assert away_until([alice.pk], now + timedelta(days=3)) == {}
    absence.end(made.pk, user=alice, **mine)
    assert away_until([alice.pk], now) == {}


def test_what_waits_for_the_end_of_an_hour_stays_there(alice: User, sign_in: SignIn) -> None:
    told(alice, "decided")
    hour = datetime(2026, 6, 10, 13, 0, tzinfo=UTC)
    Item.objects.update(digest_at=hour, beyond_limit=True)
    sign_in(alice).post(ADDRESS, chosen(digest_hour=4))
    assert Item.objects.get().digest_at == hour
