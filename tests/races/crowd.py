"""Sixteen people who decide over the page, the API and in bulk, and what must hold when they are done."""

from dataclasses import dataclass
from typing import Any

from django.contrib.auth.models import Group
from django.db import connection
from django.test import Client
from django.urls import reverse

from approvals.models import Decision, User
from approvals.services.dispatch import dispatch
from tests.cast import opened

from .ledger import faults

WORDS = "It misses the second call site."


@dataclass(frozen=True)
class Told:
    """What one caller was answered: the HTTP code, the outcome named to them, and the whole answer."""

    code: int
    status: str
    text: str


@dataclass(frozen=True)
class Member:
    """A reviewer with a session."""

    user: User
    client: Client

    def on_page(self, decision: Decision, verdict: str) -> Told:
        """Send the decision panel's form."""
        form = {"verdict": verdict, "patch_sha256": decision.patch.sha256, "displayed": "page"}
        if verdict != "approve":
            form |= {"text": WORDS, "category": "incomplete"}
        answer = opened(self.client, decision).post(reverse("patch-decide", args=[decision.decision_id]), form)
        return Told(answer.status_code, "", answer.content.decode())

    def by_api(self, decision: Decision, verdict: str) -> Told:
        """Send the same verdict as JSON."""
        body = {"decision_id": str(decision.decision_id), "patch_sha256": decision.patch.sha256}
        if verdict != "approve":
            body["reason"] = WORDS
        path = f"/hitl/patches/{decision.patch.patch_id}/{verdict.replace('_', '-')}"
        return _told(self.client.post(path, body, content_type="application/json"))

    def in_bulk(self, decision: Decision, verdict: str) -> Told:
        """Send it as the only item of a bulk decision; the code is the item's."""
        item = {"decision_id": str(decision.decision_id), "patch_sha256": decision.patch.sha256}
        body: dict[str, Any] = {"items": [item], "verdict": verdict}
        if verdict != "approve":
            body["reason"] = WORDS
        answer = self.client.post("/hitl/decisions/bulk", body, content_type="application/json")
        if answer.status_code != 200:
            return _told(answer)
        [result] = answer.json()
        return Told(result["status"], _named(result) or result.get("decision", ""), answer.content.decode())


def _told(answer: Any) -> Told:
    document = answer.json()
    return Told(answer.status_code, _named(document) or document.get("status", ""), answer.content.decode())


def _named(document: dict[str, Any]) -> str:
    current: dict[str, str] = document.get("current") or {}
    return current.get("status", "")


def sixteen_reviewers() -> list[Member]:
    """Return them signed in; an error in a view is an answer of 500 here, as it would be for them."""
    return [member(f"reviewer-{number}", "reviewer") for number in range(1, 17)]


def member(name: str, group: str) -> Member:
    user = User.objects.create_user(name, f"{name}@example.org")
    user.groups.add(Group.objects.get(name=group))
    client = Client(raise_request_exception=False)
    client.force_login(user)
    return Member(user, client)


def assert_settled() -> None:
    """Run the sequencer to its end and assert that the books are whole."""
    while dispatch():
        pass
    with connection.cursor() as cursor:
        assert faults(cursor) == {}
