"""What answers look like, for the description of the API only: nothing is validated or copied while a caller waits.

A test holds real answers against these models, so the description cannot drift from what is sent.
"""

from datetime import date, datetime
from typing import Any, Literal
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

from approvals.models import PatchKind, Severity, Status, Wargaming

PriorityWord = Literal["low", "medium", "high", "critical"]


class Answer(BaseModel):
    """Every field is always there; null says 'absent', or that the caller may not see it (docs/integrating.md)."""

    model_config = ConfigDict(extra="forbid")


class FieldError(Answer):
    loc: list[str | int]
    msg: str


class Current(Answer):
    """What is so now, in a 409."""

    status: Status
    decided_by: str | None
    decided_at: datetime | None
    channel: str | None
    patch_sha256: str


class Problem(BaseModel):
    """RFC 9457. `errors` comes with 422, `current` or `decision_ids` with 409, `page` with `step_up_required`."""

    type: str
    title: str
    status: int
    detail: str
    errors: list[FieldError] = Field(default=[])
    current: Current | None = None
    decision_ids: list[UUID] = Field(default=[], description="those that a name means which is not one decision's")
    page: str | None = Field(default=None, description="the page that takes the approval which is refused here")


class PolicyName(Answer):
    name: str
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
    decision_id: UUID
    patch_id: str
    revision: int
    newest_revision: int
    patch_sha256: str
    status: Status
    priority: PriorityWord
    sla_due_at: datetime | None
    policy: PolicyName
    trace: list[TraceRow]
    parse_warnings: list[ParseWarning]
    canonical_sha256: str | None


class PendingRow(Answer):
    decision_id: UUID
    patch_id: str
    kind: PatchKind
    revision: int
    patch_sha256: str
    apv_id: str
    cve_id: str | None
    title: str | None
    package_name: str | None
    current_version: str | None
    target_version: str | None
    severity: Severity = Field(description="as sent")
    effective_severity: Severity = Field(description="the worst that is known; the filter `severity` compares this one")
    priority: PriorityWord
    ml_confidence: float | None = Field(description="null: not scored")
    ml_prediction: bool | None
    wargaming_passed: bool | None = Field(description="null: not run, or no verdict")
    wargaming_verdict: Wargaming
    agreement: bool | None
    created_at: datetime
    age_seconds: int
    sla_due_at: datetime | None
    sla_state: Literal["ok", "warning", "breached", "none"]
    approvals: int
    required_approvals: int
    escalation_level: int


class FeedItem(Answer):
    position: int = Field(description="consecutive from 1, the same for every reader")
    decision_id: UUID
    patch_id: str
    kind: PatchKind
    revision: int
    producer: str
    patch_sha256: str
    canonical_sha256: str | None = Field(description="of `/diff?form=canonical`; null: none is safe")
    status: Status
    at: datetime
    decided_by: str | None
    decided_by_kind: str | None
    priority: PriorityWord
    bypass: bool = Field(description="approved by one person alone, under an emergency bypass")


class Metadata(Answer):
    apv_id: str
    title: str | None
    description: str | None
    cve_id: str | None
    cve_ids: list[str]
    aliases: list[str]
    cve_description: str | None
    affected_range: str | None
    cwe_ids: list[str]
    severity: Severity
    cvss_score: float | None
    cvss_vector: str | None
    epss: float | None
    epss_date: date | None
    kev: bool
    references: list[str] | None
    package_name: str | None
    ecosystem: str | None
    purl: str | None
    current_version: str | None
    target_version: str | None
    language: str | None
    affected_systems: list[str] | None
    patch_size_lines: int | None
    repository: str | None
    base_commit: str | None
    strategy: str | None
    risk_level: str | None
    vulnerable_locations: list[dict[str, Any]] | None


class ReviewRow(Answer):
    reviewer: str
    in_name_of: str | None = Field(description="the absent person for whom the reviewer stood in")
    verdict: Literal["approve", "reject", "request_changes"]
    category: str | None
    text: str | None
    patch_sha256: str
    displayed: str
    channel: str
    created_at: datetime
    withdrawn_at: datetime | None


class CommentRow(Answer):
    author: str
    created_at: datetime
    file: str | None
    line: int | None
    side: Literal["old", "new"] | None = Field(description="which file has the line; null where there is no line")
    text: str | None = Field(description="null for whom it is not, and when it was erased")


class RevocationRow(Answer):
    revoked_by: str | None
    revoked_at: datetime
    reason: str | None


class AcknowledgementRow(Answer):
    deployer: str
    position: int
    status: Status = Field(description="of the item of the feed that was acted on")
    acknowledged_at: datetime


class Record(Answer):
    """One decision: S1's record and what it lacked."""

    decision_id: UUID
    alias: str | None
    patch_id: str
    kind: PatchKind
    revision: int
    producer: str
    patch_sha256: str
    decision: Status
    status: Status
    decided_by: str | None
    decided_by_kind: str | None
    decided_at: datetime | None
    channel: str | None
    cause: str | None
    category: str | None
    reason: str | None = Field(description="for its producer, `diffs:read` and people who read diffs")
    comment: str | None
    priority: PriorityWord
    requested_priority: PriorityWord | None = Field(description="`priority` as sent; ours is never lower")
    requires_manual_review: bool
    manual_review_reason: str | None = Field(description="null for whom it is not to see")
    created_at: datetime
    updated_at: datetime
    requires_escalation: bool
    escalation_level: int
    auto_approval_eligible: bool
    ml_wargaming_agreement: bool
    sla_due_at: datetime | None
    expire_at: datetime | None
    approvals: int
    bypass: bool = Field(description="approved by one person alone, under an emergency bypass")
    required_approvals: int
    required_groups: list[str]
    policy: PolicyName
    trace: list[TraceRow] | None
    patch_metadata: Metadata
    effective_severity: Severity
    effective_cvss: float | None = Field(description="the higher of the score and the vector's base score")
    known_exploited: bool
    ml_prediction: dict[str, Any] | None
    wargaming_result: dict[str, Any] | None = Field(description="as sent")
    files: int | None
    additions: int | None
    deletions: int | None
    parse_warnings: list[ParseWarning] | None
    canonical_sha256: str | None = Field(description="of `/diff?form=canonical`; null where no form is safe")
    no_canonical: str | None = Field(description="why there is no canonical form")
    ambiguous: str | None = Field(description="why common tools need not make the same change of this patch")
    marks: list[str] | None = Field(description="codes of what asks for a careful look")
    synthetic: bool
    people: dict[str, str | None] | None
    reviews: list[ReviewRow] | None
    comments: list[CommentRow] | None
    revocation: RevocationRow | None
    acknowledgements: list[AcknowledgementRow] | None


class RevisionRow(Answer):
    revision: int
    decision_id: UUID
    patch_sha256: str
    status: Status
    created_at: datetime


class PatchRecord(Record):
    revisions: list[RevisionRow]


class Verdict(Answer):
    status: Status = Field(description="`pending` until the quorum is reached")
    decision_id: UUID
    approvals: int
    required_approvals: int


class Reasoned(Answer):
    status: Status
    decision_id: UUID
    reason: str


class Rejected(Reasoned):
    comment: str | None = Field(description="what was sent beside the reason; null: nothing")


class Ended(Answer):
    status: Status
    decision_id: UUID


class Acknowledged(Answer):
    decision_id: UUID
    status: Status = Field(description="as it is now, which may be later than the item acted on")
    position: int


class Withdrawn(Answer):
    status: Status
    decision_id: UUID
    approvals: int


class Escalated(Answer):
    status: Status
    decision_id: UUID
    escalation_level: int


class Extended(Answer):
    status: Status
    decision_id: UUID
    expire_at: datetime


class Commented(Answer):
    status: Literal["commented"]
    decision_id: UUID
    comment_id: int
    side: Literal["old", "new"] | None = Field(description="which file has the line; null where there is no line")


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


class AuditEntry(Answer):
    """S1's fields, and the entry's place in the log."""

    log_id: UUID
    cursor: str = Field(description="leads to the rows after this one")
    decision_id: str | None
    object: dict[str, Any]
    action: str
    performed_by: str
    actor: dict[str, Any]
    timestamp: datetime
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
