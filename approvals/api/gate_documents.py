"""What workflows send: the gate's request with its limits, what intake makes of it, and the bodies of acts on it."""

import hashlib
import re
from datetime import timedelta
from typing import Annotated, Any, Literal

import rfc8785
from pydantic import BeforeValidator, Field, StringConstraints, field_validator, model_validator

from approvals.diff.same_lines import SameLines
from approvals.diff.summary import NOTHING_READ
from approvals.models import MAX_COMMENT, MAX_REASON, PatchKind, Severity
from approvals.policy.gate_conditions import SPELLINGS, judged, read
from approvals.services.gates import GateTerms
from approvals.services.intake import Submission
from approvals.strict_json import walk

from .schemas import (
    CategoryWord,
    Digest,
    Flag,
    InNameOf,
    Named,
    Storable,
    Strict,
    Who,
    refuse_unstorable,
    whole,
)

MAX_FREE = 64 * 1024  # bytes of context, metadata and conditions together, as canonical JSON
MAX_DEPTH = 20
TEN_YEARS = 10 * 366 * 24 * 3600 * 1000  # milliseconds; nothing waits longer, and a date can still be computed

Title = Annotated[str, StringConstraints(max_length=500, min_length=1, strip_whitespace=True)]
Timeout = Annotated[int, Field(gt=0, le=TEN_YEARS, strict=True), BeforeValidator(whole)]
Least = Annotated[int, Field(ge=1, le=100, strict=True), BeforeValidator(whole)]


def _none_is(empty: Any) -> Any:
    """Let null stand for an empty list or object, as callers of workflow gates send it."""
    return BeforeValidator(lambda value: empty() if value is None else value)


Names = Annotated[list[Named], Field(max_length=100), _none_is(list)]
Facts = Annotated[dict[str, Any], _none_is(dict)]


class Condition(Strict):
    """One condition of the workflow for an approval without a person."""

    field: Annotated[Named, Field(description="a dotted path into `context`, or `metadata.` and one into that")]
    operator: Annotated[Named, Field(description=f"one of {', '.join(SPELLINGS)}")]
    value: Any

    @model_validator(mode="after")
    def can_hold(self) -> "Condition":
        read(self.field, self.operator, self.value)
        return self


class GateRequest(Strict):
    """A gate as a workflow asks for it: title, description and context instead of a diff."""

    title: Title
    description: Annotated[str, StringConstraints(max_length=20_000)] | None = None
    context: Facts = {}
    workflow_id: Named
    job_id: Named
    execution_id: Named
    timeout_ms: Annotated[Timeout | None, Field(description="may end the time to decide earlier, never later")] = None
    timeout_action: Annotated[
        Literal["reject", "escalate"],
        Field(description="`reject` expires the gate; `escalate` asks the leads and leaves the policy's expiry"),
    ] = "reject"
    require_min_approvers: Least = 1
    require_all_approvers: Flag = False
    allowed_approvers: Annotated[Names, Field(description="user names or e-mail addresses; who alone may approve")] = []
    notify_users: Names = []
    notify_roles: Names = []
    notify_channels: Names = []
    escalate_to_users: Names = []
    auto_approve_conditions: Annotated[
        list[Condition],
        Field(max_length=100, description="all must hold, where the policy lets a gate's own conditions approve it"),
        _none_is(list),
    ] = []
    metadata: Facts = {}
    submitted_by: Who | None = None
    triggered_by: Annotated[Who | None, Field(description="who started the run; that person cannot approve")] = None

    @model_validator(mode="before")
    @classmethod
    def storable(cls, request: Any) -> Any:
        if isinstance(request, dict):
            if any(len(path) > MAX_DEPTH for path, _ in walk(request)):
                raise ValueError(f"may be nested {MAX_DEPTH} levels deep")
            refuse_unstorable(request)
        return request

    @field_validator("timeout_action", mode="before")
    @classmethod
    def time_approves_nothing(cls, value: Any) -> Any:
        if value == "approve":
            raise ValueError("time approves nothing: send reject or escalate")
        return "reject" if value is None else value

    @model_validator(mode="after")
    def possible(self) -> "GateRequest":
        people = len(self.allowed())
        if self.require_all_approvers and not people:
            raise ValueError("require_all_approvers needs allowed_approvers")
        if people and people < self.require_min_approvers:
            raise ValueError(f"require_min_approvers is {self.require_min_approvers}, allowed_approvers names {people}")
        conditions = [condition.model_dump() for condition in self.auto_approve_conditions]
        try:
            size = len(rfc8785.dumps([self.context, self.metadata, conditions]))
        except rfc8785.CanonicalizationError:
            raise ValueError("holds a number that JSON cannot carry exactly; send it as text") from None
        if size > MAX_FREE:
            raise ValueError("context, metadata and auto_approve_conditions may have 64 KiB together")
        return self

    def allowed(self) -> tuple[str, ...]:
        """Return who alone may approve, each name once and folded as the rules compare it."""
        return tuple(dict.fromkeys(name.casefold() for name in self.allowed_approvers))


def patch_id_of(workflow_id: str, job_id: str, execution_id: str) -> str:
    """Return the `patch_id` of a gate: readable parts of workflow and job, and 128 bits of the SHA-256 of all three
    ids as a canonical JSON list, so that no two runs share one whatever their ids are made of."""
    readable = [re.sub(r"[^A-Za-z0-9._+-]+", "-", name).strip("-.")[:60] for name in (workflow_id, job_id)]
    exact = hashlib.sha256(rfc8785.dumps([workflow_id, job_id, execution_id])).hexdigest()[:32]
    return ":".join(["gate", *readable, exact])


def submission_of(request: GateRequest) -> Submission:
    """Return what intake stores. The digest is the SHA-256 of the whole request as canonical JSON (RFC 8785), with the
    defaults of what was left out."""
    sent = request.model_dump(mode="json")
    document = rfc8785.dumps(sent)
    sha256 = hashlib.sha256(document).hexdigest()
    patch_id = patch_id_of(request.workflow_id, request.job_id, request.execution_id)
    return Submission(
        columns={
            "kind": PatchKind.GATE,
            "patch_id": patch_id,
            "apv_id": patch_id,
            "title": request.title,
            "description": request.description or "",
            "cve_ids": [],
            "aliases": [],
            "vulnerability_ids": [],
            "cwe_ids": [],
            "severity": Severity.UNKNOWN,
            "cvss_score": None,
            "cvss_counted": None,
            "kev": False,
            "package_name": "",
            "repository": "",
            "sha256": sha256,
            "submitted_by": request.submitted_by or "",
            "triggered_by": request.triggered_by or "",
        },
        diff=b"",
        facts=NOTHING_READ,
        change=SameLines(None, None, None, ()),
        document_sha256=sha256,
        gate=GateTerms(
            workflow_id=request.workflow_id,
            job_id=request.job_id,
            execution_id=request.execution_id,
            document=document,
            timeout=None if request.timeout_ms is None else timedelta(milliseconds=request.timeout_ms),
            escalates=request.timeout_action == "escalate",
            min_approvers=request.require_min_approvers,
            all_approvers=request.require_all_approvers,
            allowed=request.allowed(),
            outcomes=judged(sent),
        ),
    )


class GateAct(Storable):
    """What every act on a gate carries: the digest the person saw."""

    digest: Digest


class GateApproval(GateAct):
    in_name_of: InNameOf = None
    comment: Annotated[str, StringConstraints(max_length=MAX_COMMENT)] | None = None


class GateReason(GateAct):
    reason: Annotated[str, StringConstraints(max_length=MAX_REASON, min_length=1, strip_whitespace=True)]


class GateRejection(GateReason):
    in_name_of: InNameOf = None
    category: CategoryWord = "other"
    comment: Annotated[str, StringConstraints(max_length=MAX_COMMENT)] | None = None
