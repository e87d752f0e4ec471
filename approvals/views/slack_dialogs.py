"""The dialogs of Slack: a verdict with what is being decided, or a sentence and the way to the page. Plain values in,
Block Kit out."""

import json
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from django.conf import settings
from django.urls import reverse

from approvals.models import MAX_REASON, NO_DEADLINE, Category, Decision, Priority, Status, Verdict
from notifications.channels.slack import FIELDS, text
from notifications.messages import one_line, until

CALLBACK = "verdict"
MAX_WORDS = 3000  # that Slack takes in one field
TITLES = {Verdict.APPROVE: "Approve", Verdict.REJECT: "Reject", Verdict.REQUEST_CHANGES: "Request changes"}
FIELD_LABELS = {
    Verdict.APPROVE: "Comment",
    Verdict.REJECT: "Why",
    Verdict.REQUEST_CHANGES: "What should change",
}


@dataclass(frozen=True, slots=True)
class Opened:
    """What a dialog keeps of itself until it is sent: Slack gives it back as it was."""

    decision_id: UUID
    verdict: Verdict
    sha256: str
    at: datetime

    def kept(self) -> str:
        """Return it as Slack keeps it."""
        return json.dumps([str(self.decision_id), self.verdict, self.sha256, self.at.isoformat()])

    @classmethod
    def read(cls, kept: str) -> "Opened":
        """Return what was kept. Raise TypeError or ValueError for anything else."""
        decision_id, verdict, sha256, at = json.loads(kept)
        return cls(UUID(decision_id), Verdict(verdict), str(sha256), datetime.fromisoformat(at))


def verdict_dialog(decision: Decision, verdict: Verdict, now: datetime) -> dict[str, Any]:
    """Return the dialog in which a person gives this verdict on the present digest."""
    opened = Opened(decision.decision_id, verdict, decision.patch.sha256, now)
    blocks = [*facts(decision, now), *([_category()] if verdict == Verdict.REJECT else []), _words(verdict)]
    title = TITLES[verdict]
    shown = _view(title, [*blocks, page_button(decision.decision_id)])
    return shown | {"submit": text(title, 24), "callback_id": CALLBACK, "private_metadata": opened.kept()}


def refused_dialog(decision: Decision, verdict: Verdict, sentence: str, now: datetime) -> dict[str, Any]:
    """Return the dialog that says why this person cannot give this verdict here; there is nothing to send."""
    return _view(TITLES[verdict], [_section(sentence), *facts(decision, now), page_button(decision.decision_id)])


def told(title: str, sentence: str, decision_id: UUID | None = None) -> dict[str, Any]:
    """Return a dialog that only says something, with the way to the page of a decision."""
    return _view(title, [_section(sentence), *([page_button(decision_id)] if decision_id else [])])


def facts(decision: Decision, now: datetime) -> list[dict[str, Any]]:
    """Return what is being decided; nothing of the diff, and no free text but the title."""
    patch = decision.patch
    versions = f" {patch.current_version} to {patch.target_version}" if patch.target_version else ""
    scored = "not scored" if patch.ml_confidence is None else f"{patch.ml_confidence:.0%} that it works"
    ahead = [at for at in (decision.sla_due_at, decision.expire_at) if now < at < NO_DEADLINE]
    known = {
        "Title": patch.heading,
        "Patch": f"{patch.patch_id}, revision {patch.revision}",
        "Package": f"{patch.package_name or patch.repository}{versions}",
        "Vulnerability": patch.cve_id or "",
        "Severity": patch.get_effective_severity_display(),
        "Priority": Priority(decision.priority).label,
        "Prediction": "" if patch.is_gate else scored,
        "Wargaming": "" if patch.is_gate else patch.get_wargaming_display(),
        "Approvals": f"{decision.approvals} of {decision.required_approvals}",
        "Decide": until(min(ahead), now) if ahead and decision.status == Status.PENDING else "",
    }
    fields = [text(f"{label}: {one_line(value)}") for label, value in known.items() if value][:FIELDS]
    return [{"type": "section", "fields": fields}, _section(f"Digest being decided: {patch.sha256}")]


def page_button(decision_id: UUID) -> dict[str, Any]:
    """Return the way to the page, which decides nothing by being opened."""
    address = settings.BASE_URL + reverse("patch-detail", args=[decision_id])
    button = {"type": "button", "action_id": "open", "text": text("Open the page"), "url": address}
    return {"type": "actions", "elements": [button]}


def _view(title: str, blocks: list[dict[str, Any]]) -> dict[str, Any]:
    return {"type": "modal", "title": text(title, 24), "close": text("Close", 24), "blocks": blocks}


def _section(sentence: str) -> dict[str, Any]:
    return {"type": "section", "text": text(sentence)}


def _words(verdict: Verdict) -> dict[str, Any]:
    approves = verdict == Verdict.APPROVE
    field = {
        "type": "plain_text_input",
        "action_id": "text",
        "multiline": True,
        "max_length": MAX_WORDS if approves else MAX_REASON,
    }
    label = text(FIELD_LABELS[verdict])
    return {"type": "input", "block_id": "text", "optional": approves, "label": label, "element": field}


def _category() -> dict[str, Any]:
    options = [{"text": text(label, 75), "value": code} for code, label in Category.choices]
    field = {"type": "static_select", "action_id": "category", "options": options}
    return {"type": "input", "block_id": "category", "label": text("What is wrong"), "element": field}
