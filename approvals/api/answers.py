"""What callers receive: each answer with the place where each of its fields is read. `records` has that of a whole
decision, `gate_answers` those of gates. Ninja describes every answer by these models, and checks those that
`queries.composed` has no statement for."""

from typing import Any, Literal
from uuid import UUID

from pydantic import BaseModel, Field

from approvals.models import PatchKind, Severity, Status, Wargaming

from .shapes import Answer, Blank, Deadline, Holds, Moment, PriorityName, PriorityWord, path

OBJECTIONS = (
    "where it was rejected or changes were requested, what each person who did says, and then what they wrote at "
    "lines; for its producer, auditors and people who read diffs"
)


class FieldError(Answer):
    loc: list[str | int]
    msg: str


class Current(Answer):
    """The decision's present state, in a 409."""

    status: Status
    decided_by: str | None
    decided_at: Moment | None
    channel: str | None
    patch_sha256: str


class Problem(BaseModel):
    """RFC 9457. `errors` comes with 422, `current` or `decision_ids` with 409, `page` with `step_up_required`,
    `alarm` with `deployment_alarm`."""

    type: str
    title: str
    status: int
    detail: str
    errors: list[FieldError] = Field(default=[])
    current: Current | None = None
    decision_ids: list[UUID] = Field(default=[], description="those that a name means which is not one decision's")
    page: str | None = Field(default=None, description="the page that takes the approval which is refused here")
    alarm: Literal["differs", "not_approved", "revoked"] | None = Field(
        default=None, description="with `deployment_alarm`: what is wrong with what was deployed"
    )


class PolicyName(Answer):
    name: str = path("policy.name")
    version: int


class TraceRow(Answer):
    text: str
    value: str
    outcome: Literal["pass", "fail", "absent"]


class ParseWarning(Answer):
    code: str
    message: str
    file: str | None
    line: int | None


class Intake(Answer):
    decision_id: UUID = path("decision.decision_id")
    patch_id: str = path("decision.patch.patch_id")
    revision: int = path("decision.patch.revision")
    newest_revision: int
    patch_sha256: str = path("decision.patch.sha256")
    status: Status = path("decision.status")
    priority: PriorityName = path("decision.priority")
    sla_due_at: Deadline = path("decision.sla_due_at")
    policy: PolicyName = path("decision.policy_version")
    trace: list[TraceRow] = path("decision.trace")
    parse_warnings: list[ParseWarning] = path("decision.patch.parse_warnings")
    canonical_sha256: Blank = path("decision.patch.canonical_sha256")


class PendingRow(Answer):
    decision_id: UUID = path("decision.decision_id")
    patch_id: str = path("patch.patch_id")
    kind: PatchKind = path("patch.kind")
    revision: int = path("patch.revision")
    patch_sha256: str = path("patch.sha256")
    apv_id: str = path("patch.apv_id")
    cve_id: str | None = path("patch.cve_id")
    title: str | None = path("patch.heading")
    package_name: Blank = path("patch.package_name")
    current_version: Blank = path("patch.current_version")
    target_version: Blank = path("patch.target_version")
    severity: Severity = path("patch.severity", "as sent")
    effective_severity: Severity = path(
        "patch.effective_severity", "the worst that is known; the filter `severity` compares this one"
    )
    priority: PriorityName = path("decision.priority")
    ml_confidence: float | None = path("patch.ml_confidence", "null: not scored")
    ml_prediction: bool | None = path("patch.ml_prediction")
    wargaming_passed: bool | None = path("patch.wargaming_passed", "null: not run, or no verdict")
    wargaming_verdict: Wargaming = path("patch.wargaming")
    agreement: bool | None = path("patch.agreement")
    created_at: Moment = path("decision.created_at")
    age_seconds: int
    sla_due_at: Deadline = path("decision.sla_due_at")
    sla_state: Literal["ok", "warning", "breached", "none"]
    approvals: int = path("decision.approvals")
    required_approvals: int = path("decision.required_approvals")
    escalation_level: int = path("decision.escalation_level")


class Objection(Answer):
    """What one person who refused says of the patch, or at one line of it."""

    category: Blank = Field(description="of a rejection; null at a line, and of a request for changes")
    text: str | None = Field(description="null when it was erased")
    file: str | None = Field(description="null: the whole patch")
    line: int | None
    side: Literal["old", "new"] | None = Field(description="which file has the line; null where there is no line")


class FeedItem(Answer):
    position: int = path("entry.position", "consecutive from 1, the same for every reader")
    decision_id: UUID = path("decision.decision_id")
    patch_id: str = path("patch.patch_id")
    kind: PatchKind = path("patch.kind")
    revision: int = path("patch.revision")
    producer: str = path("patch.producer.name")
    patch_sha256: str = path("patch.sha256")
    canonical_sha256: Blank = path("patch.canonical_sha256", "of `/diff?form=canonical`; null: none is safe")
    status: Status = path("entry.status")
    at: Moment = path("entry.at")
    decided_by: str | None
    decided_by_kind: str | None
    priority: PriorityName = path("decision.priority")
    bypass: Holds = path("decision.bypass_id", "approved by one person alone, under an emergency bypass")
    objections: list[Objection] | None = Field(description=OBJECTIONS)


class Ended(Answer):
    status: Status
    decision_id: UUID


class Verdict(Ended):
    status: Status = Field(description="`pending` until the quorum is reached")
    approvals: int
    required_approvals: int


class Reasoned(Ended):
    reason: str


class Rejected(Reasoned):
    comment: str | None = Field(description="what was sent beside the reason; null: nothing")


class Withdrawn(Ended):
    approvals: int


class Escalated(Ended):
    escalation_level: int


class Extended(Ended):
    expire_at: Moment


class Acknowledged(Answer):
    decision_id: UUID
    status: Status = Field(description="as it is now, which may be later than the item acted on")
    position: int


class OutcomeRecorded(Ended):
    """The deployed bytes are those of this decision."""

    revision: int
    result: Literal["deployed", "failed", "rolled_back"]
    matches: Literal[True] = True


class Commented(Answer):
    status: Literal["commented"] = "commented"
    decision_id: UUID = path("decision.decision_id")
    comment_id: int = path("pk")
    side: Literal["old", "new"] | None = path("side_of_line", "which file has the line; null where there is no line")


class BulkResult(BaseModel):
    """`status` is the HTTP code that the same verdict alone would have had."""

    decision_id: str
    status: int
    decision: Status | None = None
    approvals: int | None = None
    required_approvals: int | None = None
    type: str | None = Field(default=None, description="`step_up_required`: only the patch's page takes this approval")
    page: str | None = Field(default=None, description="with `step_up_required`, the address of that page")
    detail: str | None = None
    current: Current | None = None


class BulkError(BaseModel):
    """A problem of one line; `errors` comes with 422, `retry_after` (seconds) with 429."""

    title: str
    detail: str
    errors: list[FieldError] = Field(default=[])
    retry_after: int | None = None


class BulkLine(BaseModel):
    """`status` is the HTTP code that the same document alone would have had; `error` comes above 299."""

    line: int = Field(description="from 1")
    status: int
    decision_id: UUID | None = None
    revision: int | None = None
    parse_warnings: list[ParseWarning] | None = Field(default=None, description="absent where there are none")
    error: BulkError | None = None


class SarifFix(BaseModel):
    """One fix of a log; `run`, `result` and `fix` are its indexes there. `status` is the HTTP code that the same patch
    alone would have had; `error` comes above 299 and says why the fix is no patch."""

    run: int
    result: int
    fix: int
    rule_id: str | None
    status: int
    decision_id: UUID | None = None
    revision: int | None = None
    parse_warnings: list[ParseWarning] | None = Field(default=None, description="absent where there are none")
    error: BulkError | None = None


class SarifIntake(BaseModel):
    fixes: list[SarifFix]
    results_without_fixes: int


class DeploymentAsked(Answer):
    state: Literal["asked", "ignored"] = Field(description="`ignored`: an event that asks nothing, as `ping`")
    decision_id: UUID | None = Field(default=None, description="the gate in which people decide")
    status: Status | None = None


class AuditEntry(Answer):
    """The reference API's fields, and the entry's place in the log."""

    log_id: UUID
    cursor: str = Field(description="leads to the rows after this one")
    decision_id: str | None
    object: dict[str, Any]
    action: str
    performed_by: str
    actor: dict[str, Any]
    timestamp: Moment
    details: dict[str, Any]
    patch_sha256: str | None
    policy: dict[str, Any] | None
    request_id: str | None
    ip_address: str | None
    user_agent: str | None
    seq: int | None = Field(description="null until the sequencer has placed the entry")
    leaf_hash: str | None


class Summary(Answer):
    """Counts of the patches that arrived in the period; times in seconds; rates 0 to 1, null with nothing to divide."""

    total_patches: int
    pending: int
    approved: int = Field(description="by people")
    rejected: int
    auto_approved: int
    expired: int
    cancelled: int
    revoked: int
    changes_requested: int
    superseded: int
    sla_breached: int
    avg_decision_time_seconds: float | None = Field(description="of people's decisions, as median and p95")
    median_decision_time_seconds: float | None
    p95_decision_time_seconds: float | None
    ml_accuracy: float | None = Field(description="where ML and wargaming agree, of those with both results")
    auto_approval_rate: float | None
    sla_compliance: float | None
    false_positive_rate: float | None
    mttr_seconds: float | None
    patch_success_rate: float | None
    by_priority: dict[PriorityWord, dict[Status, int]]
