"""What callers of `/api/approvals` receive: each answer with the place where its fields are read."""

from typing import Annotated, Any, Literal
from uuid import UUID

from django.urls import reverse
from pydantic import BeforeValidator, Field

from approvals.models import Decision, Review, Status
from approvals.policy.gate_conditions import judged
from approvals.policy.visible_fields import Reader
from approvals.queries.people import ids_by_name

from .answers import PolicyName, TraceRow
from .shapes import Answer, Blank, Deadline, Holds, Moment, PriorityName, path, read

DECIDED = {
    Status.APPROVED: "approved",
    Status.AUTO_APPROVED: "approved",
    Status.REJECTED: "rejected",
}


class GateAnswer(Answer):
    """One gate; null where the caller may not see it."""

    id: UUID = path("decision.decision_id", "the `decision_id`")
    digest: str = path("patch.sha256", "SHA-256 of the request as canonical JSON; an act names it")
    patch_id: str = path("patch.patch_id")
    revision: int = path("patch.revision")
    url: str = Field(description="path of the page on which people decide")
    requested_by: str = path("patch.producer.name", "the producer")
    requested_at: Moment = path("decision.created_at")
    title: str = path("patch.title")
    workflow_id: str = path("patch.gate.workflow_id")
    job_id: str = path("patch.gate.job_id")
    execution_id: str = path("patch.gate.execution_id")
    request: dict[str, Any] | None = path(
        "patch.gate.request", "everything that was sent, with the defaults of what was not"
    )
    status: Status = path("decision.status", "`expired`: its time was over; `auto_approved`: by its own conditions")
    decision: Annotated[
        Literal["approved", "rejected"] | None, BeforeValidator(lambda status: DECIDED.get(Status(status)))
    ] = path("decision.status")
    decided_by: Blank = path("decision.decided_by")
    decided_at: Moment | None = path("decision.decided_at")
    cause: Blank = path("decision.cause")
    category: Blank = path("decision.category")
    reason: str | None = path("decision.reason.body", default=None)
    comment: str | None = Field(description="of the latest approval; where a rejection is answered, of that")
    priority: PriorityName = path("decision.priority")
    expires_at: Deadline = path("decision.expire_at")
    on_expiry: str = path("decision.expire_action")
    approvals: int = path("decision.approvals")
    bypass: Holds = path("decision.bypass_id", "approved by one person alone, under an emergency bypass")
    required_approvals: int = path("decision.required_approvals")
    required_groups: list[str] = path("decision.required_groups")
    approvers: list[str] = Field(description="user names, in the order they approved")
    escalation_level: int = path("decision.escalation_level")
    policy: PolicyName = path("decision.policy_version")
    trace: list[TraceRow] = path("decision.trace")


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
    """Counts for the person who asks. Of the pending, `expiring` end within an hour and `urgent` within 15 minutes."""

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


def gate(decision: Decision, reviews: list[Review], reader: Reader) -> GateAnswer:
    """Return a gate with its present state; null where the reader may not see it."""
    given = [review for review in reviews if review.verdict == "approve" and review.withdrawn_at is None]
    bodies = [review.text.body for review in given if review.text and review.text.body]
    return read(
        GateAnswer,
        reader,
        decision=decision,
        patch=decision.patch,
        url=reverse("patch-detail", args=[decision.decision_id]),
        comment=bodies[-1] if bodies else None,
        approvers=[review.reviewer.username for review in given],
    )


def notes(decision: Decision) -> list[str]:
    """Return a sentence for everything in the request that has no effect, or less than it says."""
    asked, named = decision.patch.gate.request, decision.patch.gate.allowed_approvers
    known = ids_by_name(named) if named else {}
    ends = asked["timeout_ms"] is not None and asked["timeout_action"] == "reject"
    conditions, version = asked["auto_approve_conditions"], decision.policy_version
    later = ends and (decision.expire_at - decision.created_at).total_seconds() * 1000 < asked["timeout_ms"]
    said = [
        (
            asked["notify_channels"],
            "notify_channels is kept and shown; which channels of the team are told is the install's own setting.",
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
