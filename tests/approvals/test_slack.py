"""What people do in Slack: each press, dialog and command is signed and asked of the same rules as the page."""

import json
import time
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any
from urllib.parse import urlencode

import pytest
from django.test import Client
from django.utils import timezone

from approvals.jobs import close_messages
from approvals.models import Decision, PatchView, Priority, Review, Status, User, Verdict
from approvals.services import chat, reviews
from approvals.telling import entries
from audit.models import Entry
from audit.queries import data_of
from notifications.channels import slack
from notifications.models import Channel, Delivery, Hours
from notifications.services import deliveries
from notifications.services.notices import News, notify
from tests.cast import republish
from tests.notifications.fake_slack import FakeSlack, Phone, checked, running, signature_of, words

pytestmark = pytest.mark.django_db
REASON = "It misses the second call."


@pytest.fixture
def fake(monkeypatch: pytest.MonkeyPatch, settings: Any) -> Iterator[FakeSlack]:
    with running(monkeypatch, settings) as slack_of_test:
        yield slack_of_test


@pytest.fixture
def phone(fake: FakeSlack, alice: User) -> Phone:
    """Alice's Slack, linked to her account."""
    Hours.objects.create(person=alice, slack_id="U0ALICE", slack_home="T0HOME")
    return Phone()


@pytest.fixture
def opened(make_patch: Callable[..., Decision], alice: User) -> Decision:
    """A patch whose page alice has opened."""
    decision = make_patch(severity="high")
    reviews.open_page(decision.patch, alice, timezone.now())
    return decision


def told(decision: Decision) -> None:
    """Tell the team of a decision in Slack."""
    now, subject = timezone.now(), str(decision.decision_id)
    news = News("urgent", f"urgent:{subject}", subject, {"headline": "High: flask", "link": f"/patches/{subject}"})
    notify(news, {}, now=now, team=(Channel.SLACK,))
    deliveries.deliver_due(now)


def is_open(decision: Decision) -> bool:
    decision.refresh_from_db()
    return decision.status == Status.PENDING and not decision.reviews.exists()


# --- From the message to the decision -----------------------------------------------------------------------------


def test_a_message_leads_to_a_dialog_and_the_decision_and_is_locked(
    fake: FakeSlack, phone: Phone, opened: Decision, alice: User
) -> None:
    told(opened)
    button = fake.last("chat.postMessage")["blocks"][-1]["elements"][1]
    assert phone.press(button["value"], button["action_id"]).status_code == 200
    checked(fake.last("views.open"))
    shown = words(fake.dialog)
    assert f"Digest being decided: {opened.patch.sha256}" in shown
    assert opened.patch.patch_id in shown
    assert "Decide: in " in shown
    assert bytes(opened.patch.content.diff).decode() not in shown
    assert is_open(opened), "to open a dialog decides nothing"

    answer = phone.submit(fake.dialog, "Looks right.").json()
    assert answer["response_action"] == "update"
    assert "submit" not in answer["view"]
    assert "Approved: " in words(answer["view"])
    review = Review.objects.get()
    assert (review.reviewer, review.verdict, review.patch_sha256) == (alice, "approve", opened.patch.sha256)
    assert (review.displayed, review.channel, review.authn) == ("chat", "chat", "slack")
    assert review.text is not None
    assert review.text.body == "Looks right."
    assert review.seconds_open is not None
    opened.refresh_from_db()
    assert (opened.status, opened.channel) == (Status.APPROVED, "chat")

    close_messages(0)
    deliveries.deliver_due(timezone.now())
    locked = fake.last("chat.update")
    checked(locked)
    assert "Approved by alice at " in words(locked)
    assert [element["action_id"] for element in locked["blocks"][-1]["elements"]] == ["open"]
    close_messages(0)
    assert deliveries.deliver_due(timezone.now()) == 0, "a message is locked once"
    assert data_of(Entry.objects.get(type="review.recorded"))["channel"] == "chat"


def test_a_patch_whose_time_runs_out_reaches_the_channel_of_the_team(fake: FakeSlack, make_patch: Any) -> None:
    now = timezone.now()
    decision = make_patch(severity="high", title="Bind the <name>", now=now - timedelta(minutes=8, seconds=30))
    assert entries.warn_due(now) == 1
    deliveries.deliver_due(now)
    [body] = [body for method, body in fake.said if body["channel"] == "C1"]
    checked(body)
    shown = words(body)
    assert "must be decided soon" in shown
    assert "Title: Bind the &lt;name&gt;" in shown
    assert "Approvals: 0 of 1" in shown
    assert "Decide in 1 min." in shown
    assert body["blocks"][-1]["elements"][1]["value"] == str(decision.decision_id)


def test_a_message_is_locked_wherever_the_decision_was_made(
    fake: FakeSlack, make_patch: Callable[..., Decision], approve: Callable[..., Decision], bob: User
) -> None:
    decision, other = make_patch(), make_patch()
    told(decision)
    told(other)
    approve(decision, bob, Verdict.REJECT)
    assert chat.close_messages(timezone.now()) == 1
    deliveries.deliver_due(timezone.now())
    assert "Rejected by bob at " in words(fake.last("chat.update"))
    assert Delivery.objects.get(closing="", notice__subject=str(other.decision_id)).state == "delivered"


@pytest.mark.parametrize(
    ("verdict", "category", "status"),
    [("reject", "incomplete", Status.REJECTED), ("request_changes", "", Status.CHANGES_REQUESTED)],
)
def test_a_refusal_has_its_reason_and_category(
    fake: FakeSlack, phone: Phone, make_patch: Any, verdict: str, category: str, status: Status
) -> None:
    decision = make_patch(severity="high")
    phone.press(decision.decision_id, verdict)
    checked(fake.last("views.open"))
    assert ("What is wrong" in words(fake.dialog)) == (verdict == "reject")
    phone.submit(fake.dialog, REASON, category)
    decision.refresh_from_db()
    assert (decision.status, decision.category, decision.reason.body) == (status, category, REASON)


@pytest.mark.parametrize(
    ("text", "category", "field"),
    [("  ", "incomplete", "text"), (None, "incomplete", "text"), (REASON, "", "category"), (REASON, "x", "category")],
)
def test_what_is_missing_is_said_at_its_field(
    fake: FakeSlack, phone: Phone, make_patch: Any, text: str | None, category: str, field: str
) -> None:
    decision = make_patch()
    phone.press(decision.decision_id, "reject")
    answer = phone.submit(fake.dialog, text, category).json()
    assert (answer["response_action"], list(answer["errors"])) == ("errors", [field])
    assert is_open(decision)


# --- Who may, and when --------------------------------------------------------------------------------------------


def test_the_dialog_says_why_not_as_the_page_does_and_cannot_be_sent(
    fake: FakeSlack, phone: Phone, make_patch: Any, alice: User, sign_in: Any
) -> None:
    decision = make_patch(submitted_by=alice.email)
    reviews.open_page(decision.patch, alice, timezone.now())
    phone.press(decision.decision_id, "approve")
    checked(fake.last("views.open"))
    sentence = "You submitted this patch, so another person must approve it."
    assert sentence in words(fake.dialog)
    assert "submit" not in fake.dialog
    assert sentence in sign_in(alice).get(f"/patches/{decision.decision_id}").content.decode()


def test_a_patch_that_was_not_opened_is_not_approved_here_unless_its_priority_is_low(
    fake: FakeSlack, phone: Phone, make_patch: Any
) -> None:
    decision, low = make_patch(severity="high"), make_patch(severity="low")
    phone.press(decision.decision_id, "approve")
    assert "Open the patch first" in words(fake.dialog)
    assert "submit" not in fake.dialog
    phone.press(low.decision_id, "approve")
    phone.submit(fake.dialog)
    low.refresh_from_db()
    assert (low.status, is_open(decision)) == (Status.APPROVED, True)


@pytest.mark.parametrize("verdict", ["approve", "reject", "request_changes"])
def test_what_is_critical_is_decided_on_its_page(
    fake: FakeSlack, phone: Phone, make_patch: Any, alice: User, verdict: str, critical_anywhere: None
) -> None:
    decision = make_patch(severity="critical")
    reviews.open_page(decision.patch, alice, timezone.now())
    phone.press(decision.decision_id, verdict)
    assert "Critical patches are decided on their page, not in a chat." in words(fake.dialog)
    assert "submit" not in fake.dialog
    assert fake.dialog["blocks"][-1]["elements"][0]["url"].endswith(f"/patches/{decision.decision_id}")


def test_what_asks_for_step_up_is_approved_on_its_page(fake: FakeSlack, phone: Phone, opened: Decision) -> None:
    version = republish(opened.policy_version.policy, step_up=True)
    # The database lets a pending decision go to another version with a higher priority only.
    Decision.objects.filter(pk=opened.pk).update(policy_version=version, priority=Priority.CRITICAL)
    phone.press(opened.decision_id, "approve")
    assert "approve this patch on its page" in words(fake.dialog)
    assert "submit" not in fake.dialog


def test_the_rules_are_asked_again_when_the_dialog_is_sent(
    fake: FakeSlack, phone: Phone, opened: Decision, approve: Any, bob: User
) -> None:
    phone.press(opened.decision_id, "approve")
    approve(opened, bob, Verdict.REJECT)
    answer = phone.submit(fake.dialog).json()
    assert answer["response_action"] == "update"
    assert "submit" not in answer["view"]
    assert "Rejected by bob" in words(answer["view"])
    assert "Nothing was changed." in words(answer["view"])
    assert Review.objects.count() == 1
    assert Entry.objects.filter(type="decision.refused").exists()


def test_another_revision_is_not_decided_with_the_dialog_of_the_one_before(
    fake: FakeSlack, phone: Phone, make_patch: Any, alice: User
) -> None:
    before = make_patch(patch_id="P", severity="low")
    phone.press(before.decision_id, "approve")
    newest = make_patch(patch_id="P", severity="low", title="Another one")
    answer = phone.submit(fake.dialog).json()
    assert "Superseded" in words(answer["view"])
    newest.refresh_from_db()
    assert (newest.status, Review.objects.count()) == (Status.PENDING, 0)


def test_a_dialog_counts_for_the_digest_that_it_showed(fake: FakeSlack, phone: Phone, opened: Decision) -> None:
    phone.press(opened.decision_id, "approve")
    kept = json.loads(fake.dialog["private_metadata"])
    kept[2] = "0" * 64
    answer = phone.submit(fake.dialog | {"private_metadata": json.dumps(kept)}).json()
    assert "You decided on digest 000000000000" in words(answer["view"])
    assert is_open(opened)


def test_who_is_not_linked_or_left_decides_nothing(
    fake: FakeSlack, phone: Phone, opened: Decision, alice: User
) -> None:
    phone.press(opened.decision_id, "approve")
    dialog = fake.dialog
    for stranger in (Phone("U0OTHER"), Phone("U0ALICE", "T0OTHER"), Phone("")):
        stranger.press(opened.decision_id, "approve")
        assert "is not linked" in words(fake.dialog)
        assert opened.patch.patch_id not in words(fake.dialog)
        assert "is not linked" in words(stranger.submit(dialog).json()["view"])
    User.objects.filter(pk=alice.pk).update(is_active=False)
    assert "is not linked" in words(phone.submit(dialog).json()["view"])
    assert is_open(opened)


def test_who_sees_no_patches_is_shown_none(fake: FakeSlack, phone: Phone, opened: Decision, alice: User) -> None:
    alice.groups.clear()
    phone.press(opened.decision_id, "approve")
    assert "Your groups do not show patches." in words(fake.dialog)
    assert opened.patch.patch_id not in words(fake.dialog)


def test_a_patch_that_is_not_there_is_said_to_be_so(fake: FakeSlack, phone: Phone) -> None:
    phone.press("00000000-0000-0000-0000-000000000000", "approve")
    assert "There is no such patch any more." in words(fake.dialog)


def test_the_link_button_and_what_we_do_not_know_do_nothing(fake: FakeSlack, phone: Phone, opened: Decision) -> None:
    assert phone.press(opened.decision_id, "open").status_code == 200
    for unknown in ({"type": "shortcut"}, {"type": "view_submission", "view": {"callback_id": "other"}}):
        assert phone.send(phone.payload(**unknown)).status_code == 200
    for broken in ({}, {"type": "block_actions", "actions": [{"action_id": "approve"}]}):
        assert phone.send(phone.payload(**broken)).status_code == 400
    assert phone.send("payload=%7B").status_code == 400
    assert fake.said == []
    assert is_open(opened)


def test_slack_says_that_a_dialog_did_not_open(fake: FakeSlack, phone: Phone, opened: Decision) -> None:
    fake.answers["views.open"] = {"ok": False, "error": "expired_trigger_id"}
    assert phone.press(opened.decision_id, "approve").status_code == 502


# --- Who signed it ------------------------------------------------------------------------------------------------


def test_only_what_slack_signed_just_now_and_once_passes(fake: FakeSlack, phone: Phone, opened: Decision) -> None:
    body = phone.payload(
        type="block_actions", trigger_id="1.1", actions=[{"action_id": "approve", "value": str(opened.decision_id)}]
    )
    now = int(time.time())
    signed: dict[str, Any] = {"at": now, "signature": signature_of(body, now)}
    assert phone.send(body, at=now - 301).status_code == 401, "old"
    assert phone.send(body, at=now + 302).status_code == 401, "not yet"
    assert phone.send(body, at=now, signature="v0=" + "0" * 64).status_code == 401, "wrong"
    assert phone.send(body, at=now, signature="v0=\u00e9").status_code == 401, "no signature at all"
    assert Phone(secret="another").send(body).status_code == 401, "somebody else's"
    assert phone.send(body + " ", **signed).status_code == 401, "of another body"
    assert phone.send(body, at=now + 1, signature=signed["signature"]).status_code == 401, "of another moment"
    kind = "application/x-www-form-urlencoded"
    assert Client().post("/chat/slack", body, kind).status_code == 401, "missing"
    for missing in ("X-Slack-Signature", "X-Slack-Request-Timestamp"):
        headers = {"X-Slack-Request-Timestamp": str(now), "X-Slack-Signature": signed["signature"]}
        del headers[missing]
        assert Client().post("/chat/slack", body, kind, headers=headers).status_code == 401, f"no {missing}"
    assert fake.said == []
    assert phone.send(body, **signed).status_code == 200, "valid"
    assert phone.send(body, **signed).status_code == 401, "replayed"
    assert len(fake.said) == 1


@pytest.mark.parametrize("stamp", ["", "soon", "-1", "1e9", "９" * 10, "1" * 400, " 1"])
def test_a_moment_that_is_none_is_refused(fake: FakeSlack, stamp: str) -> None:
    headers = {"X-Slack-Request-Timestamp": stamp, "X-Slack-Signature": "v0=1"}
    kind = "application/x-www-form-urlencoded"
    assert Client().post("/chat/slack", "payload=1", kind, headers=headers).status_code == 401


def test_a_replayed_decision_is_made_once(fake: FakeSlack, phone: Phone, opened: Decision) -> None:
    phone.press(opened.decision_id, "approve")
    view = fake.dialog | {"state": {"values": {"text": {"text": {"value": "Fine."}}}}}
    body, now = phone.payload(type="view_submission", view=view), int(time.time())
    answers = [phone.send(body, at=now, signature=signature_of(body, now)).status_code for _ in range(3)]
    assert (answers, Review.objects.count()) == ([200, 401, 401], 1)


def test_without_a_secret_there_is_no_such_address(fake: FakeSlack, settings: Any) -> None:
    settings.SLACK_SIGNING_SECRET = ""
    assert Phone().send("payload=1").status_code == 404
    assert Client().get("/chat/slack").status_code in {404, 405}


def test_no_get_decides(fake: FakeSlack, phone: Phone, opened: Decision) -> None:
    assert phone.client.get("/chat/slack", {"payload": "{}"}).status_code == 405


def test_a_browser_that_is_signed_in_here_counts_nothing(fake: FakeSlack, opened: Decision, alice: User) -> None:
    client = Client(enforce_csrf_checks=True)
    client.force_login(alice)
    body = urlencode({"payload": json.dumps({"type": "block_actions"})})
    assert client.post("/chat/slack", body, "application/x-www-form-urlencoded").status_code == 401


def test_each_verdict_has_its_button() -> None:
    assert slack.BUTTONS.keys() == set(Verdict.values)


def test_opening_the_dialog_is_no_look_at_the_patch(fake: FakeSlack, phone: Phone, make_patch: Any) -> None:
    phone.press(make_patch(severity="high").decision_id, "approve")
    assert not PatchView.objects.exists()
