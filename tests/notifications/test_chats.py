"""What Slack and Teams are told: through the guard, once an attempt, without markup of others, with no secret shown."""

import json
import logging
from collections.abc import Iterator
from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest
from django.utils import timezone

from notifications.channels import of_team, slack, teams
from notifications.channels.messages import message_of
from notifications.models import Channel, Delivery, Hours, Preference, When
from notifications.services import deliveries
from notifications.services.notices import News, notify, send_gathered, settle
from tests.notifications.fake_slack import FakeSlack, checked, running, words
from tests.notifications.receiver import answering, receiving

pytestmark = pytest.mark.django_db
SUBJECT = str(uuid4())
HOSTILE = "<!channel> <@U1> <https://evil.example|ok> *b* [x](https://evil.example) :tada: \u202e&amp; @here"


@pytest.fixture
def fake(monkeypatch: pytest.MonkeyPatch, settings: Any) -> Iterator[FakeSlack]:
    with running(monkeypatch, settings) as slack_of_test:
        yield slack_of_test


def told(people: dict[int, str] | None = None, *team: Channel, **facts: Any) -> None:
    """Tell somebody of a patch, and send what is due."""
    now = timezone.now()
    news = News(
        "urgent", f"urgent:{uuid4()}", SUBJECT, {"headline": "High: flask", "link": f"/patches/{SUBJECT}"} | facts
    )
    notify(news, people or {}, now=now, team=team)
    deliveries.deliver_due(now)


def test_the_team_is_told_by_the_bot_with_buttons(fake: FakeSlack, settings: Any) -> None:
    ends = timezone.now() + timedelta(minutes=10, seconds=5)
    told(None, Channel.SLACK, title="SQL injection", due_at=ends.isoformat(), approvals=0, required_approvals=2)
    [(method, body)] = fake.said
    checked(body)
    assert (method, body["channel"]) == ("chat.postMessage", "C1")
    assert fake.receiver.came[0].headers["authorization"] == "Bearer xoxb-secret"
    shown = words(body)
    assert all(part in shown for part in ("High: flask", "SQL injection", "0 of 2", "Decide in 10 min."))
    elements = body["blocks"][-1]["elements"]
    assert [element["action_id"] for element in elements] == ["open", "approve", "reject", "request_changes"]
    assert elements[0]["url"] == f"{settings.BASE_URL}/patches/{SUBJECT}"
    assert {element["value"] for element in elements[1:]} == {SUBJECT}
    sent = Delivery.objects.get()
    assert (sent.state, sent.receipt) == ("delivered", "C1 1700000000.000001")


def test_a_person_is_told_by_a_direct_message_and_why(fake: FakeSlack, alice: Any) -> None:
    Preference.objects.create(person=alice, kind="urgent", when=When.AT_ONCE, channels=[Channel.SLACK])
    Hours.objects.create(person=alice, slack_id="U0ALICE", slack_home="T0HOME")
    told({alice.pk: "you were asked to decide it"})
    assert fake.last("chat.postMessage")["channel"] == "U0ALICE"
    assert "You are told because you were asked to decide it." in words(fake.said[0][1])


def test_who_has_linked_no_slack_user_is_not_sent_anything(fake: FakeSlack, alice: Any) -> None:
    Preference.objects.create(person=alice, kind="urgent", when=When.AT_ONCE, channels=[Channel.SLACK])
    told({alice.pk: "you were asked"})
    assert (fake.said, Delivery.objects.get().last_error) == ([], slack.NOT_LINKED)
    assert Delivery.objects.get().state == "dropped"


def test_an_incoming_webhook_has_no_buttons_and_nothing_to_change_later(fake: FakeSlack, settings: Any) -> None:
    settings.SLACK_BOT_TOKEN = ""
    settings.SLACK_WEBHOOK_URL = f"http://127.0.0.1:{fake.receiver.port}/services/hook"
    told(None, Channel.SLACK)
    [(method, body)] = fake.said
    checked(body)
    assert method == "hook"
    assert [element["action_id"] for element in body["blocks"][-1]["elements"]] == ["open"]
    assert (Delivery.objects.get().state, Delivery.objects.get().receipt) == ("delivered", "")


@pytest.mark.parametrize(
    ("told_of", "buttons"), [("decided", False), ("second_person", False), ("reminder", True), ("urgent", True)]
)
def test_only_what_asks_for_a_decision_has_buttons(fake: FakeSlack, told_of: str, buttons: bool) -> None:
    subject = "proposal:1" if told_of == "second_person" else SUBJECT
    notify(News(told_of, "1", subject, {"headline": "x", "link": "/"}), {}, now=timezone.now(), team=(Channel.SLACK,))
    deliveries.deliver_due(timezone.now())
    assert (len(fake.said[0][1]["blocks"][-1]["elements"]) == 4) == buttons


def test_without_a_signing_secret_nobody_could_answer_a_button(fake: FakeSlack, settings: Any) -> None:
    settings.SLACK_SIGNING_SECRET = ""
    told(None, Channel.SLACK)
    assert len(fake.said[0][1]["blocks"][-1]["elements"]) == 1


def test_nothing_that_a_producer_wrote_is_markup(fake: FakeSlack) -> None:
    told(None, Channel.SLACK, headline=HOSTILE, title=HOSTILE, package=HOSTILE * 50)
    [(_, body)] = fake.said
    checked(body)
    shown = words(body)
    assert "<" not in shown
    assert ">" not in shown
    assert "\u202e" not in shown
    assert "&lt;!channel&gt;" in shown
    assert "&amp;amp;" in shown
    assert body["mrkdwn"] is False
    assert "mrkdwn" not in words([block["type"] for block in body["blocks"]])
    texts = [field for block in body["blocks"] for field in [block.get("text"), *block.get("fields", [])] if field]
    assert {(field["type"], field["emoji"]) for field in texts} == {("plain_text", False)}
    assert max(len(field["text"]) for field in texts) <= slack.TEXT


def test_a_text_is_cut_as_slack_counts_it_and_never_within_an_escape() -> None:
    assert slack.escaped("<" * 100, 20) == "&lt;" * 4 + "…"
    assert slack.escaped("a" * 20, 20) == "a" * 20
    assert len(slack.escaped("a" * 21, 20)) == 20


@pytest.mark.parametrize("link", ["@evil.example/", "//evil.example", "https://evil.example", ""])
def test_a_link_leads_to_us(fake: FakeSlack, settings: Any, link: str) -> None:
    told(None, Channel.SLACK, link=link)
    assert fake.said[0][1]["blocks"][-1]["elements"][0]["url"].startswith(f"{settings.BASE_URL}/")


@pytest.mark.parametrize(
    ("answer", "state", "error"),
    [
        ({"ok": False, "error": "channel_not_found"}, "dead", "Slack answers channel_not_found."),
        ({"ok": False, "error": "internal_error"}, "pending", "Slack answers internal_error."),
        ({"ok": False, "error": "<b>xoxb-secret"}, "dead", "Slack answers an error that is none of its own."),
        ({"ok": False}, "dead", "Slack answers an error that is none of its own."),
        ([], "pending", "Slack's answer is not one of its Web API."),
    ],
)
def test_a_refusal_of_slack_is_told_in_its_own_word(fake: FakeSlack, answer: Any, state: str, error: str) -> None:
    fake.answers["chat.postMessage"] = answer
    told(None, Channel.SLACK)
    assert (Delivery.objects.get().state, Delivery.objects.get().last_error) == (state, error)


def test_slack_is_asked_again_when_it_says(fake: FakeSlack) -> None:
    fake.status, fake.headers = 429, {"Retry-After": "120"}
    before = timezone.now()
    told(None, Channel.SLACK)
    kept = Delivery.objects.get()
    assert (kept.state, kept.last_status, len(fake.said)) == ("pending", 429, 1)
    assert kept.due_at >= before + timedelta(seconds=120)


def test_a_redirect_is_not_followed(fake: FakeSlack) -> None:
    fake.status, fake.headers = 302, {"Location": "http://127.0.0.1:1/"}
    told(None, Channel.SLACK)
    assert (Delivery.objects.get().state, len(fake.said)) == ("pending", 1)


@pytest.mark.parametrize("channel", [Channel.SLACK, Channel.TEAMS])
def test_no_secret_is_logged_or_kept_and_the_inside_is_not_called(
    fake: FakeSlack, settings: Any, channel: Channel, caplog: pytest.LogCaptureFixture
) -> None:
    settings.OUTBOUND_ALLOW = []
    settings.SLACK_BOT_TOKEN = ""
    settings.SLACK_WEBHOOK_URL = f"http://127.0.0.1:{fake.receiver.port}/services/T1/B1/very-secret"
    settings.TEAMS_WEBHOOK_URL = f"http://127.0.0.1:{fake.receiver.port}/workflows/very-secret"
    with caplog.at_level(logging.DEBUG):
        told(None, channel)
    kept = Delivery.objects.get()
    assert (kept.state, fake.said) == ("pending", [])
    assert kept.last_error
    assert "very-secret" not in kept.last_error + caplog.text


def test_teams_is_told_by_a_card_and_202_is_success(fake: FakeSlack, settings: Any) -> None:
    with receiving(answering(202)) as flow:
        settings.TEAMS_WEBHOOK_URL = flow.url
        told(None, Channel.TEAMS, headline=HOSTILE, title="SQL injection")
    body = json.loads(flow.came[0].body)
    [attachment] = body["attachments"]
    assert (body["type"], attachment["contentType"], attachment["contentUrl"]) == ("message", teams.CARD, None)
    card = attachment["content"]
    assert card["actions"] == [
        {"type": "Action.OpenUrl", "title": "Open the page", "url": f"{settings.BASE_URL}/patches/{SUBJECT}"}
    ]
    assert {block["type"] for block in card["body"]} == {"RichTextBlock"}, "a TextBlock would read Markdown"
    assert "SQL injection" in words(card)
    assert len(flow.came[0].body) < 28_000
    assert Delivery.objects.get().state == "delivered"


def test_a_workflow_tells_no_person(fake: FakeSlack, alice: Any) -> None:
    Preference.objects.create(person=alice, kind="urgent", when=When.AT_ONCE, channels=[Channel.TEAMS])
    told({alice.pk: "you were asked"})
    assert (Delivery.objects.get().state, Delivery.objects.get().last_error) == ("dropped", teams.TO_NOBODY)


def test_the_team_has_the_channels_that_are_set_up(settings: Any) -> None:
    settings.SLACK_WEBHOOK_URL = settings.SLACK_BOT_TOKEN = settings.SLACK_CHANNEL = settings.TEAMS_WEBHOOK_URL = ""
    assert of_team() == ()
    settings.SLACK_CHANNEL = "C1"
    assert of_team() == ()
    settings.SLACK_BOT_TOKEN, settings.TEAMS_WEBHOOK_URL = "xoxb-1", "https://flow.example.org/"
    assert of_team() == (Channel.SLACK, Channel.TEAMS)


def test_a_message_ends_once_with_a_sentence_and_without_buttons(fake: FakeSlack) -> None:
    told(None, Channel.SLACK)
    assert deliveries.close(SUBJECT, "Approved by alice.", now=timezone.now()) == 1
    assert deliveries.close(SUBJECT, "Approved by bob.", now=timezone.now()) == 0
    deliveries.deliver_due(timezone.now())
    body = fake.last("chat.update")
    checked(body)
    assert (body["channel"], body["ts"]) == ("C1", "1700000000.000001")
    assert "Approved by alice." in words(body)
    assert [element["action_id"] for element in body["blocks"][-1]["elements"]] == ["open"]
    assert Delivery.objects.get().state == "delivered"
    assert deliveries.deliver_due(timezone.now()) == 0


def test_the_end_of_a_message_is_told_whichever_of_both_comes_first(fake: FakeSlack) -> None:
    told(None, Channel.SLACK)
    deliveries.close(SUBJECT, "Approved by alice.", now=timezone.now())
    assert settle(SUBJECT, now=timezone.now()) == 1
    deliveries.deliver_due(timezone.now())
    assert "Approved by alice." in words(fake.last("chat.update"))


def test_an_end_that_slack_does_not_take_is_tried_again_and_a_deleted_message_needs_none(fake: FakeSlack) -> None:
    told(None, Channel.SLACK)
    deliveries.close(SUBJECT, "Approved by alice.", now=timezone.now())
    fake.answers["chat.update"] = {"ok": False, "error": "fatal_error"}
    deliveries.deliver_due(timezone.now())
    assert Delivery.objects.get().state == "pending"
    fake.answers["chat.update"] = {"ok": False, "error": "message_not_found"}
    deliveries.deliver_due(timezone.now() + timedelta(minutes=1))
    assert Delivery.objects.get().state == "delivered"
    assert [method for method, _ in fake.said] == ["chat.postMessage", "chat.update", "chat.update"]


def test_a_digest_in_chat_names_what_it_gathers(fake: FakeSlack, alice: Any) -> None:
    Preference.objects.create(person=alice, kind="daily_digest", when=When.AT_ONCE, channels=[Channel.SLACK])
    Hours.objects.create(person=alice, slack_id="U0ALICE", slack_home="T0HOME")
    items = [{"kind": "decided", "headline": f"PATCH-{n} was approved", "link": "/", "why": ""} for n in range(12)]
    news = News("daily_digest", "daily_digest:1", "1", {"headline": "12 notices", "link": "/inbox", "items": items})
    send_gathered(news, [alice.pk], now=timezone.now())
    deliveries.deliver_due(timezone.now())
    checked(fake.last("chat.postMessage"))
    shown = words(fake.last("chat.postMessage"))
    assert "PATCH-0 was approved" in shown
    assert "PATCH-11" not in shown
    assert "More in your inbox: 4" in shown


def test_a_message_of_a_decision_names_it(fake: FakeSlack) -> None:
    told(None, Channel.SLACK)
    assert message_of(Delivery.objects.get(), timezone.now()).decides == SUBJECT
