"""A Slack and a Teams on loopback: they keep what they are told, answer as the real ones, and Slack signs what its
people do, by the code of Slack's own library."""

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from ipaddress import ip_network
from typing import Any
from urllib.parse import urlencode

import pytest
from django.test import Client
from slack_sdk.models.blocks import Block
from slack_sdk.models.views import View
from slack_sdk.signature import SignatureVerifier

from notifications.channels import slack
from tests.notifications.receiver import Receiver, receiving

SECRET = "8f742231b10e8888abcd99yyyzzz85a5"


@dataclass
class FakeSlack:
    """`said` are the calls of the Web API and of the webhook, by method and body; `answers` replace the usual ones."""

    receiver: Receiver
    answers: dict[str, dict[str, Any]] = field(default_factory=dict)
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)

    @property
    def said(self) -> list[tuple[str, dict[str, Any]]]:
        return [(came.path.rpartition("/")[2], json.loads(came.body)) for came in self.receiver.came]

    def last(self, method: str) -> dict[str, Any]:
        """Return the body of the last call of a method."""
        return [body for name, body in self.said if name == method][-1]

    @property
    def dialog(self) -> dict[str, Any]:
        """Return the dialog that was opened last."""
        return dict(self.last("views.open")["view"])


def checked(body: dict[str, Any]) -> None:
    """Hold what we send against the limits that Slack's own library knows."""
    if "view" in body:
        View(**body["view"]).validate_json()
    for block in Block.parse_all(body.get("blocks") or body.get("view", {}).get("blocks", [])):
        assert block is not None
        block.validate_json()


@contextmanager
def running(monkeypatch: pytest.MonkeyPatch, settings: Any) -> Iterator[FakeSlack]:
    """Run a Slack, let the product take it for the real one, and set up its bot and the channel of the team."""
    settings.OUTBOUND_ALLOW = [ip_network("127.0.0.0/8")]
    settings.SLACK_BOT_TOKEN, settings.SLACK_CHANNEL, settings.SLACK_SIGNING_SECRET = "xoxb-secret", "C1", SECRET
    settings.SLACK_WEBHOOK_URL = settings.TEAMS_WEBHOOK_URL = ""

    def answer(handler: Any) -> None:
        method, body = fake.said[-1]
        usual: dict[str, Any] = {"ok": True}
        if method == "chat.postMessage":
            usual |= {"channel": body["channel"].replace("U", "D", 1), "ts": f"1700000000.{len(fake.said):06}"}
        text = b"ok" if method == "hook" else json.dumps(fake.answers.get(method, usual)).encode()
        handler.send_response(fake.status)
        for name, value in {**fake.headers, "Content-Length": str(len(text))}.items():
            handler.send_header(name, value)
        handler.end_headers()
        handler.wfile.write(text)

    with receiving(answer) as receiver:
        fake = FakeSlack(receiver)
        monkeypatch.setattr(slack, "API", f"http://127.0.0.1:{receiver.port}/api/")
        yield fake


def signature_of(body: str, at: object, secret: str = SECRET) -> str:
    """Return what Slack signs a body with at a moment."""
    signature = SignatureVerifier(secret).generate_signature(timestamp=str(at), body=body)
    assert signature
    return signature


@dataclass
class Phone:
    """Somebody's Slack: it presses buttons, sends dialogs and commands, each signed unless told otherwise."""

    user_id: str = "U0ALICE"
    team_id: str = "T0HOME"
    secret: str = SECRET
    client: Client = field(default_factory=Client)

    def send(self, body: str, *, at: int | None = None, signature: str | None = None) -> Any:
        """Send a body as Slack would."""
        stamp = str(int(time.time()) if at is None else at)
        signed = signature or signature_of(body, stamp, self.secret)
        headers = {"X-Slack-Request-Timestamp": stamp, "X-Slack-Signature": signed}
        return self.client.post("/chat/slack", body, "application/x-www-form-urlencoded", headers=headers)

    def payload(self, **more: Any) -> str:
        who = {"id": self.user_id, "team_id": self.team_id, "username": "x"}
        return urlencode(
            {"payload": json.dumps({"user": who, "team": {"id": self.team_id}, "enterprise": None} | more)}
        )

    def press(self, decision_id: object, verdict: str, **more: Any) -> Any:
        """Press a button of a message."""
        action = {"action_id": verdict, "type": "button", "value": str(decision_id)}
        body = self.payload(type="block_actions", trigger_id=f"1.{time.monotonic_ns()}", actions=[action], **more)
        return self.send(body)

    def submit(self, dialog: dict[str, Any], text: str | None = None, category: str = "") -> Any:
        """Send a dialog with what was typed and chosen."""
        values: dict[str, Any] = {"text": {"text": {"type": "plain_text_input", "value": text}}}
        if category:
            values["category"] = {"category": {"selected_option": {"value": category}}}
        view = dialog | {"id": f"V{time.monotonic_ns()}", "state": {"values": values}}
        return self.send(self.payload(type="view_submission", view=view))

    def command(self, text: str) -> str:
        """Send /hitl with words, and return what only its sender reads."""
        body = {"command": "/hitl", "text": text, "user_id": self.user_id, "team_id": self.team_id}
        answer = self.send(urlencode(body | {"trigger_id": f"1.{time.monotonic_ns()}"}))
        assert (answer.status_code, answer.json()["response_type"]) == (200, "ephemeral")
        return str(answer.json()["text"])


def words(shown: Any) -> str:
    """Return all words of a message or a dialog."""
    if isinstance(shown, list):
        return "\n".join(map(words, shown))
    if isinstance(shown, dict):
        return "\n".join(words(value) for name, value in shown.items() if name != "type")
    return str(shown)
