"""One decision as its callers read it in full: the reference API's record and what that lacked."""

from datetime import date
from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import BeforeValidator, Field

from approvals.models import DeploymentResult, Patch, PatchKind, Severity, Status, Wargaming

from .answers import OBJECTIONS, Objection, ParseWarning, PolicyName, TraceRow
from .shapes import Answer, Blank, Deadline, Holds, Moment, PriorityName, PriorityWord, path


class Metadata(Answer):
    apv_id: str
    title: Blank
    description: Blank
    cve_id: Blank
    cve_ids: list[str]
    aliases: list[str]
    cve_description: Blank
    affected_range: Blank
    cwe_ids: list[str]
    severity: Severity
    cvss_score: float | None
    cvss_vector: Blank
    epss: float | None
    epss_date: date | None
    kev: bool
    references: list[str] | None
    package_name: Blank
    ecosystem: Blank
    purl: Blank
    current_version: Blank
    target_version: Blank
    language: Blank
    affected_systems: list[str] | None
    patch_size_lines: int | None
    repository: Blank
    base_commit: Blank
    strategy: Blank
    risk_level: Blank
    vulnerable_locations: list[dict[str, Any]] | None


class MlScore(Answer):
    model_version: str | None = path("ml_model_version")
    confidence: float = path("ml_confidence")
    prediction: bool | None = path("ml_prediction")
    shap_values: dict[str, Any] | None = path("ml_shap", "a contribution by feature, or an object with `contribution`")
    base_value: float | None = path("ml_base_value")
    execution_time_ms: int | None = path("ml_execution_ms")


class WargamingRun(Answer):
    phase1_success: bool | None = path("wargaming_phase1")
    phase2_success: bool | None = path("wargaming_phase2")
    validation_passed: bool | None = path("wargaming_validation_passed")
    execution_time_ms: int | None = path("wargaming_execution_ms")
    error_message: Blank = path("wargaming_error")
    exploit_id: Blank = path("wargaming_exploit_id")
    phases: list[dict[str, Any]] | None = path("wargaming_phases")
    log: Blank = path("wargaming_log")
    run_url: Blank = path("wargaming_run_url")
    verdict: Wargaming = path("wargaming")


class People(Answer):
    submitted_by: Blank
    triggered_by: Blank
    model_owner: Blank
    simulation_author: Blank


class ReviewRow(Answer):
    reviewer: str = path("reviewer.username")
    in_name_of: str | None = path("delegated_from.username", "the absent person for whom they stood in", default=None)
    verdict: Literal["approve", "reject", "request_changes"]
    category: Blank
    text: str | None = path("text.body", default=None)
    patch_sha256: str
    displayed: str
    channel: str
    created_at: Moment
    withdrawn_at: Moment | None


class CommentRow(Answer):
    author: str = path("author_label")
    created_at: Moment
    file: Blank
    line: int | None
    side: Literal["old", "new"] | None = path("side_of_line", "which file has the line; null where there is no line")
    text: str | None = path("text.body", "null for whom it is not, and when it was erased", default=None)


class RevocationRow(Answer):
    revoked_by: str | None
    revoked_at: Moment
    reason: str | None = path("reason.body", default=None)


class AcknowledgementRow(Answer):
    deployer: str
    position: int = path("feed_entry_id")
    status: Status = path("feed_entry.status", "of the item of the feed that was acted on")
    acknowledged_at: Moment


class OutcomeRow(Answer):
    deployer: str
    result: DeploymentResult
    deployed_sha256: str
    alarm: Annotated[Literal["differs", "not_approved", "revoked"] | None, BeforeValidator(lambda alarm: alarm or None)]
    deployed_at: Moment
    reported_at: Moment
    note: str | None = path("note.body", default=None)


def _scored(patch: Patch) -> Patch | None:
    return None if patch.ml_confidence is None else patch


def _run(patch: Patch) -> Patch | None:
    """Return the patch if anything was sent of a run, or a verdict of one."""
    sent = WargamingRun.model_validate(patch).model_dump(exclude={"verdict"}).values()
    has_any = patch.wargaming != Wargaming.NOT_RUN or any(value is not None and value != [] for value in sent)
    return patch if has_any else None


class Record(Answer):
    """One decision: the reference API's record and what it lacked."""

    decision_id: UUID = path("decision.decision_id")
    alias: str | None = path("decision.alias")
    patch_id: str = path("patch.patch_id")
    kind: PatchKind = path("patch.kind")
    revision: int = path("patch.revision")
    producer: str = path("patch.producer.name")
    patch_sha256: str = path("patch.sha256")
    decision: Status = path("decision.status")
    status: Status = path("decision.status")
    decided_by: Blank = path("decision.decided_by")
    decided_by_kind: Blank = path("decision.decided_by_kind")
    decided_at: Moment | None = path("decision.decided_at")
    channel: Blank = path("decision.channel")
    cause: Blank = path("decision.cause")
    category: Blank = path("decision.category")
    reason: str | None = path(
        "decision.reason.body", "for its producer, `diffs:read` and people who read diffs", default=None
    )
    comment: str | None
    priority: PriorityName = path("decision.priority")
    requested_priority: Annotated[PriorityWord | None, BeforeValidator(lambda word: word or None)] = path(
        "patch.requested_priority", "`priority` as sent; ours is never lower"
    )
    requires_manual_review: bool = path("patch.requires_manual_review")
    manual_review_reason: Blank = path("patch.manual_review_reason", "null for whom it is not to see")
    created_at: Moment = path("decision.created_at")
    updated_at: Moment
    requires_escalation: Holds = path("decision.escalation_level")
    escalation_level: int = path("decision.escalation_level")
    auto_approval_eligible: bool = path("decision.would_auto_approve")
    ml_wargaming_agreement: Holds = path("patch.agreement")
    sla_due_at: Deadline = path("decision.sla_due_at")
    expire_at: Deadline = path("decision.expire_at")
    approvals: int = path("decision.approvals")
    bypass: Holds = path("decision.bypass_id", "approved by one person alone, under an emergency bypass")
    required_approvals: int = path("decision.required_approvals")
    required_groups: list[str] = path("decision.required_groups")
    policy: PolicyName = path("decision.policy_version")
    trace: list[TraceRow] | None = path("decision.trace")
    patch_metadata: Metadata = path("patch")
    effective_severity: Severity = path("patch.effective_severity")
    effective_cvss: float | None = path("patch.cvss_counted", "the higher of the score and the vector's base score")
    known_exploited: bool = path("patch.known_exploited")
    ml_prediction: Annotated[MlScore | None, BeforeValidator(_scored)] = path("patch")
    wargaming_result: Annotated[WargamingRun | None, BeforeValidator(_run)] = path("patch", "as sent")
    files: int | None = path("patch.file_count")
    additions: int | None = path("patch.additions")
    deletions: int | None = path("patch.deletions")
    parse_warnings: list[ParseWarning] | None = path("patch.parse_warnings")
    canonical_sha256: Blank = path("patch.canonical_sha256", "of `/diff?form=canonical`; null where no form is safe")
    no_canonical: Blank = path("patch.no_canonical", "why there is no canonical form")
    ambiguous: Blank = path("patch.ambiguous", "why common tools need not make the same change of this patch")
    marks: list[str] | None = path("patch.marks", "codes of what asks for a careful look")
    synthetic: bool = path("patch.synthetic")
    people: People | None = path("patch")
    reviews: list[ReviewRow] | None
    objections: list[Objection] | None = Field(description=OBJECTIONS)
    comments: list[CommentRow] | None
    revocation: RevocationRow | None = path("decision.revocation", default=None)
    acknowledgements: list[AcknowledgementRow] | None
    outcomes: list[OutcomeRow] | None


class RevisionRow(Answer):
    revision: int
    decision_id: UUID
    patch_sha256: str = path("sha256")
    status: Status
    created_at: Moment


class PatchRecord(Record):
    revisions: list[RevisionRow]
