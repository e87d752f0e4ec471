"""Whose Slack user is whose: proved by a code from the account page, and nobody else's."""

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from approvals.models import Decision, User
from audit.models import Entry
from audit.queries import data_of
from notifications.models import Hours
from tests.cast import proved
from tests.notifications.fake_slack import FakeSlack, Phone, running, words

pytestmark = pytest.mark.django_db


@pytest.fixture
def fake(monkeypatch: pytest.MonkeyPatch, settings: Any) -> Iterator[FakeSlack]:
    with running(monkeypatch, settings) as slack_of_test:
        yield slack_of_test


@pytest.fixture
def phone(alice: User) -> Phone:
    """Alice's Slack, linked to her account."""
    Hours.objects.create(person=alice, slack_id="U0ALICE", slack_home="T0HOME")
    return Phone()


def code_of(user: User) -> str:
    client = Client()
    client.force_login(user)
    page = proved(client).post("/accounts/slack").content.decode()
    return page.partition("/hitl link ")[2].partition("<")[0]


def test_a_person_links_their_slack_user_by_a_code_from_their_account_page(
    fake: FakeSlack, alice: User, low: Decision
) -> None:
    phone = Phone()
    code = code_of(alice)
    assert len(code) == 20
    assert "is linked to the account of Alice" in phone.command(f"link {code.lower()}")
    hours = Hours.objects.get(person=alice)
    assert (hours.slack_id, hours.slack_home, hours.slack_code) == ("U0ALICE", "T0HOME", "")
    assert data_of(Entry.objects.get(type="chat.linked"))["slack_user"] == "U0ALICE"
    phone.press(low.decision_id, "approve")
    assert "submit" in fake.dialog


def test_a_code_works_once_for_ten_minutes_and_only_the_last_one(fake: FakeSlack, alice: User, bob: User) -> None:
    first, last = code_of(alice), code_of(alice)
    assert "That is no code of ours" in Phone().command(f"link {first}")
    Hours.objects.update(slack_code_until=timezone.now() - timedelta(seconds=1))
    assert "That is no code of ours" in Phone().command(f"link {last}")
    code = code_of(alice)
    assert "is linked" in Phone().command(f"link {code}")
    assert "That is no code of ours" in Phone("U0BOB").command(f"link {code}")
    assert Hours.objects.get(person=alice).slack_id == "U0ALICE"


def test_nobody_gets_a_slack_user_that_is_another_persons(fake: FakeSlack, phone: Phone, bob: User) -> None:
    code = code_of(bob)
    assert "linked to another account" in phone.command(f"link {code}")
    assert not Hours.objects.filter(person=bob).exclude(slack_id="").exists()
    assert "is linked to the account of Bob" in Phone("U0BOB").command(f"link {code}"), "the code is still good"
    assert "is linked" in Phone("U0ALICE", "T0OTHER").command(f"link {code_of(bob)}"), "the same id elsewhere"


def test_a_link_is_taken_back_on_the_account_page(
    fake: FakeSlack, phone: Phone, low: Decision, alice: User, sign_in: Any
) -> None:
    client = sign_in(alice)
    assert "U0ALICE" in client.get("/accounts/").content.decode()
    client.post("/accounts/slack/unlink")
    assert "No Slack user is linked." in client.get("/accounts/").content.decode()
    phone.press(low.decision_id, "approve")
    assert "is not linked" in words(fake.dialog)
    assert Entry.objects.filter(type="chat.unlinked").count() == 1
    client.post("/accounts/slack/unlink")
    assert Entry.objects.filter(type="chat.unlinked").count() == 1


def test_an_open_session_alone_gets_no_code(fake: FakeSlack, alice: User, sign_in: Any, settings: Any) -> None:
    client = sign_in(alice)
    session = client.session
    session["account_authentication_methods"] = []
    session.save()
    assert client.post("/accounts/slack")["Location"].startswith("/accounts/confirm")
    assert not Hours.objects.exists()
    settings.SLACK_SIGNING_SECRET = ""
    assert proved(client).post("/accounts/slack").status_code == 404
    assert "Slack" not in client.get("/accounts/").content.decode()


def test_an_account_that_is_held_links_nothing(fake: FakeSlack, alice: User) -> None:
    code = code_of(alice)
    User.objects.filter(pk=alice.pk).update(held_since=timezone.now(), held_for=["one-time link"])
    assert "decides nothing" in Phone().command(f"link {code}")
    assert not Hours.objects.exclude(slack_id="").exists()
    assert code_of(alice) == ""


@pytest.mark.parametrize("words_sent", ["", "help", "link", "unlink x", "approve P1"])
def test_other_commands_only_tell_what_there_is(fake: FakeSlack, words_sent: str) -> None:
    answer = Phone().command(words_sent)
    assert answer.startswith(("Send /hitl link CODE", "That is no code of ours"))


def test_a_command_with_markup_in_it_answers_none(fake: FakeSlack, alice: User) -> None:
    User.objects.filter(pk=alice.pk).update(first_name="<!channel>")
    assert "&lt;!channel&gt;" in Phone().command(f"link {code_of(alice)}")


@pytest.fixture
def low(make_patch: Any) -> Decision:
    """A patch that may be approved in a chat without a look at its page."""
    return make_patch(severity="low")  # type: ignore[no-any-return]
