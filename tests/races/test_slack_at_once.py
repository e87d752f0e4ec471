"""What Slack signed passes once, and a Slack user is one person's, however many come at the same moment."""

import time
from functools import partial
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from approvals.errors import NotFound
from approvals.models import Decision, Review, User, Verdict
from approvals.services import chat
from approvals.views.slack_dialogs import CALLBACK, Opened
from audit.models import Entry
from notifications.models import Hours
from tests.cast import SYSTEM
from tests.notifications.fake_slack import SECRET, Phone, signature_of

from .together import at_once

pytestmark = pytest.mark.django_db(transaction=True)


def test_a_dialog_that_is_replayed_at_once_decides_once(make_patch: Any, alice: User, settings: Any) -> None:
    settings.SLACK_SIGNING_SECRET = SECRET
    decision: Decision = make_patch(severity="low")
    Hours.objects.create(person=alice, slack_id="U0ALICE", slack_home="T0HOME")
    opened = Opened(decision.decision_id, Verdict.APPROVE, decision.patch.sha256, timezone.now())
    state = {"values": {"text": {"text": {"value": "Fine."}}}}
    view = {"callback_id": CALLBACK, "private_metadata": opened.kept(), "state": state}
    body, at = Phone().payload(type="view_submission", view=view), int(time.time())

    def send() -> int:
        return int(Phone(client=Client()).send(body, at=at, signature=signature_of(body, at)).status_code)

    assert sorted(at_once(*[send] * 5)) == [200, 401, 401, 401, 401]
    assert (Review.objects.count(), Entry.objects.filter(type="decision.refused").count()) == (1, 0)


def test_a_slack_user_that_two_people_link_at_once_is_one_persons(alice: User, bob: User) -> None:
    codes = [chat.new_code(user, now=timezone.now()) for user in (alice, bob)]

    def link(code: str) -> str:
        try:
            return chat.link_slack(code, "U0", "T0", origin=SYSTEM, now=timezone.now()).username
        except NotFound:
            return ""

    names = at_once(*(partial(link, code) for code in codes))
    [winner] = filter(None, names)
    assert Hours.objects.get(slack_id="U0").person.username == winner
    assert Entry.objects.filter(type="chat.linked").count() == 1


def test_a_code_that_two_slack_users_send_at_once_links_one(alice: User) -> None:
    code = chat.new_code(alice, now=timezone.now())

    def link(slack_id: str) -> bool:
        try:
            return bool(chat.link_slack(code, slack_id, "T0", origin=SYSTEM, now=timezone.now()))
        except NotFound:
            return False

    assert sorted(at_once(partial(link, "U1"), partial(link, "U2"))) == [False, True]
    assert Entry.objects.filter(type="chat.linked").count() == 1
