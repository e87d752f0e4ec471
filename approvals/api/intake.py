"""Turn an intake document into a submission: digests, columns, and what reading the diff found."""

import hashlib
from typing import Any

import rfc8785

from approvals.diff.parse import parse
from approvals.diff.same_lines import same_lines
from approvals.diff.summary import summary
from approvals.services.intake import Submission

from .metadata import columns_of, notes
from .schemas import IntakeDocument, MlPrediction, WargamingResult

# The diff is hashed as bytes; the alias and what the reference API lets its server set say nothing about the patch.
NOT_CONTENT = {
    "diff",
    "diff_base64",
    "decision_id",
    "decision",
    "decided_by",
    "decided_at",
    "comment",
    "reason",
    "created_at",
    "updated_at",
    "auto_approval_eligible",
    "ml_wargaming_agreement",
    "requires_escalation",
}


def submission_of(document: IntakeDocument) -> Submission:
    """Return what intake stores; the diff is read here, before any transaction. Digests are hex SHA-256."""
    diff = document.diff_bytes
    parsed = parse(diff)
    locations = [location.model_dump() for location in document.patch_metadata.vulnerable_locations]
    content = rfc8785.dumps(document.model_dump(mode="json", exclude=NOT_CONTENT))
    diff_sha256 = hashlib.sha256(diff).hexdigest()
    facts = summary(parsed, locations)
    facts["warnings"] += notes(document.patch_metadata)
    return Submission(
        columns={
            "patch_id": document.patch_id,
            "sha256": diff_sha256 if diff else hashlib.sha256(content).hexdigest(),
            "requested_priority": document.priority or "",
            "requires_manual_review": document.requires_manual_review,
            "manual_review_reason": document.manual_review_reason or "",
            "submitted_by": document.submitted_by or "",
            "triggered_by": document.triggered_by or "",
            "model_owner": document.model_owner or "",
            "simulation_author": document.simulation_author or "",
            **columns_of(document.patch_metadata),
            **_ml(document.ml_prediction),
            **_wargaming(document.wargaming_result),
        },
        diff=diff,
        facts=facts,
        change=same_lines(parsed, facts["marks"]),
        document_sha256=hashlib.sha256(content + b"\x00" + diff_sha256.encode()).hexdigest(),
        alias=document.decision_id,
    )


def _ml(ml: MlPrediction | None) -> dict[str, Any]:
    if ml is None:
        return {}
    shap = ml.model_dump()["shap_values"]
    return {
        "ml_confidence": ml.confidence,
        "ml_prediction": ml.prediction,
        "ml_model_version": ml.model_version,
        "ml_shap": shap,
        "ml_base_value": ml.base_value,
        "ml_execution_ms": ml.execution_time_ms,
    }


def _wargaming(result: WargamingResult | None) -> dict[str, Any]:
    if result is None:
        return {}
    return {
        "wargaming": result.verdict or result.derived(),
        "wargaming_phase1": result.phase1_success,
        "wargaming_phase2": result.phase2_success,
        "wargaming_validation_passed": result.validation_passed,
        "wargaming_exploit_id": result.exploit_id or "",
        "wargaming_phases": [phase.model_dump() for phase in result.phases],
        "wargaming_execution_ms": result.execution_time_ms,
        "wargaming_error": result.error_message or "",
        "wargaming_log": result.log or "",
        "wargaming_run_url": result.run_url or "",
    }
