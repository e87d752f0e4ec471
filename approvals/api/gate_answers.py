"""What callers of `/api/approvals` receive: the description of each answer, and the plain values sent."""

from datetime import datetime
from typing import Any, Literal
from uuid import UUID

from django.urls import reverse
from pydantic import Field

from approvals.models import Decision, Review, Status
from approvals.policy.gate_conditions import judged
from approvals.policy.visible_fields import Reader, shown
from approvals.queries.people import ids_by_name

from .answers import Answer, PolicyName, PriorityWord, TraceRow
from .serializers import deadline, policy, priority_word


class GateAnswer(Answer):
    """One gate; null where the caller may not see it."""

    id: UUID = Field(description="the `decision_id`")
    digest: str = Field(description="SHA-256 of the request as canonical JSON; an act names it")
    patch_id: str
    revision: int
    url: str = Field(description="path of the page on which people decide")
    requested_by: str = Field(description="the producer")
    requested_at: datetime
    title: str
    workflow_id: str
    job_id: str
    execution_id: str
    request: dict[str, Any] | None = Field(description="everything that was sent, with the defaults of what was not")
    status: Status = Field(description="S3's `timeout` is `expired`; `auto_approved` by its own conditions")
    decision: Literal["approved", "rejected"] | None
    decided_by: str | None
    decided_at: datetime | None
    cause: str | None
    category: str | None
    reason: str | None
    comment: str | None = Field(description="of the latest approval; where a rejection is answered, of that")
    priority: PriorityWord
    expires_at: datetime | None
    on_expiry: str
    approvals: int
    bypass: bool = Field(description="approved by one person alone, under an emergency bypass")
    required_approvals: int
    required_groups: list[str]
    approvers: list[str] = Field(description="user names, in the order they approved")
    escalation_level: int
    policy: PolicyName
    trace: list[TraceRow]


class GateTaken(GateAnswer):
    newest_revision: int
    notes: list[str] = Field(description="what of the request has no effect, or less than it says")


class GateList(Answer):
    approvals: list[GateAnswer]
    total: int = Field(description="how many match, at most 1,000")
    total_is_exact: bool
    page: int
    page_size: int


class GateMine(Answer):
    """Of the person who asks; `expiring` within an hour, `urgent` within 15 minutes, both of the pending."""

    pending: int
    approved: int
    rejected: int
    expiring: int
    urgent: int


class GateStats(Answer):
    total: int
    pending: int
    approved: int
    auto_approved: int
    rejected: int
    changes_requested: int
    expired: int
    cancelled: int
    superseded: int
    revoked: int
    escalated: int = Field(description="of the pending")
    avg_decision_time_ms: int | None = Field(description="of people's decisions")
    avg_timeout_ms: int | None = Field(description="from request to expiry, of gates that expire")
    user_summary: GateMine | None = Field(description="null for machines")


DECIDED = {
    Status.APPROVED: "approved",
    Status.AUTO_APPROVED: "approved",
    Status.REJECTED: "rejected",
}


def gate(decision: Decision, reviews: list[Review], reader: Reader) -> dict[str, Any]:
    """Return a gate with its present state; null where the reader may not see it."""
    patch = decision.patch
    given = [review for review in reviews if review.verdict == "approve" and review.withdrawn_at is None]
    said = [review.text.body for review in given if review.text and review.text.body]
    every = {
        "id": decision.decision_id,
        "digest": patch.sha256,
        "patch_id": patch.patch_id,
        "revision": patch.revision,
        "url": reverse("patch-detail", args=[decision.decision_id]),
        "requested_by": patch.producer.name,
        "requested_at": decision.created_at,
        "title": patch.title,
        "workflow_id": patch.gate.workflow_id,
        "job_id": patch.gate.job_id,
        "execution_id": patch.gate.execution_id,
        "request": patch.gate.request,
        "status": decision.status,
        "decision": DECIDED.get(Status(decision.status)),
        "decided_by": decision.decided_by or None,
        "decided_at": decision.decided_at,
        "cause": decision.cause or None,
        "category": decision.category or None,
        "reason": decision.reason.body if decision.reason else None,
        "comment": said[-1] if said else None,
        "priority": priority_word(decision),
        "expires_at": deadline(decision.expire_at),
        "on_expiry": decision.expire_action,
        "approvals": decision.approvals,
        "bypass": decision.bypass_id is not None,
        "required_approvals": decision.required_approvals,
        "required_groups": decision.required_groups,
        "approvers": [review.reviewer.username for review in given],
        "escalation_level": decision.escalation_level,
        "policy": policy(decision),
        "trace": decision.trace,
    }
    return shown(every, reader)


def notes(decision: Decision) -> list[str]:
    """Return what a producer asked that has no effect, or less than it says: nothing is dropped without a word."""
    asked, named = decision.patch.gate.request, decision.patch.gate.allowed_approvers
    known = ids_by_name(named) if named else {}
    ends = asked["timeout_ms"] is not None and asked["timeout_action"] == "reject"
    conditions, version = asked["auto_approve_conditions"], decision.policy_version
    later = ends and (decision.expire_at - decision.created_at).total_seconds() * 1000 < asked["timeout_ms"]
    said = [
        (
            any(asked[name] for name in ("notify_users", "notify_roles", "notify_channels")),
            "Nobody was notified: no channel is configured for gates. notify_users, notify_roles and notify_channels "
            "are kept and shown; the gate waits in the queue of everybody who may decide it.",
        ),
        (asked["escalate_to_users"], "escalate_to_users is kept and shown; the policy says whom an escalation asks."),
        (
            conditions and not version.gate_conditions,
            f"The policy {version.policy.name} lets no gate be approved by its own conditions: this one waits for a "
            "person.",
        ),
        *(
            (outcome == "absent", f"Nothing stands at {one['field']}, so this condition does not hold.")
            for one, outcome in zip(conditions, judged(asked), strict=True)
        ),
        (later, f"The policy ends the time to decide at {decision.expire_at.isoformat()}, before timeout_ms would."),
        *((name not in known, f"Nobody here is called {name}.") for name in named),
    ]
    return [sentence for holds, sentence in said if holds]
