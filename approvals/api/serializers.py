"""What callers receive: the shapes of answers, as plain values."""

from datetime import datetime
from typing import Any

from approvals.models import (
    NO_DEADLINE,
    Acknowledgement,
    Comment,
    DeciderKind,
    Decision,
    FeedEntry,
    Patch,
    Priority,
    Review,
    Revocation,
    Status,
    Wargaming,
)
from approvals.policy.visible_fields import Reader, shown
from approvals.queries import revocable
from approvals.queries.queue import sla_state


def deadline(at: datetime) -> datetime | None:
    """Return a clock, or None for 'never'."""
    return None if at == NO_DEADLINE else at


def priority_word(decision: Decision) -> str:
    return Priority(decision.priority).name.lower()


def policy(decision: Decision) -> dict[str, Any]:
    version = decision.policy_version
    return {"name": version.policy.name, "version": version.version}


def intake_answer(decision: Decision, newest_revision: int) -> dict[str, Any]:
    patch = decision.patch
    return {
        "decision_id": decision.decision_id,
        "patch_id": patch.patch_id,
        "revision": patch.revision,
        "newest_revision": newest_revision,
        "patch_sha256": patch.sha256,
        "status": decision.status,
        "priority": priority_word(decision),
        "sla_due_at": deadline(decision.sla_due_at),
        "policy": policy(decision),
        "trace": decision.trace,
        "parse_warnings": patch.parse_warnings,
        "canonical_sha256": patch.canonical_sha256 or None,
    }


def pending_row(decision: Decision, now: datetime, reader: Reader) -> dict[str, Any]:
    patch = decision.patch
    row = {
        "decision_id": decision.decision_id,
        "patch_id": patch.patch_id,
        "kind": patch.kind,
        "revision": patch.revision,
        "patch_sha256": patch.sha256,
        "apv_id": patch.apv_id,
        "cve_id": patch.cve_id,
        "title": patch.heading,
        "package_name": patch.package_name or None,
        "current_version": patch.current_version or None,
        "target_version": patch.target_version or None,
        "severity": patch.severity,
        "effective_severity": patch.effective_severity,
        "priority": priority_word(decision),
        "ml_confidence": patch.ml_confidence,
        "ml_prediction": patch.ml_prediction,
        "wargaming_passed": patch.wargaming_passed,
        "wargaming_verdict": patch.wargaming,
        "agreement": patch.agreement,
        "created_at": decision.created_at,
        "age_seconds": max(0, int((now - decision.created_at).total_seconds())),
        "sla_due_at": deadline(decision.sla_due_at),
        "sla_state": sla_state(decision, now),
        "approvals": decision.approvals,
        "required_approvals": decision.required_approvals,
        "escalation_level": decision.escalation_level,
    }
    return shown(row, reader)


METADATA = (
    "apv_id",
    "title",
    "description",
    "cve_id",
    "cve_ids",
    "aliases",
    "cve_description",
    "affected_range",
    "cwe_ids",
    "severity",
    "cvss_score",
    "cvss_vector",
    "epss",
    "epss_date",
    "kev",
    "references",
    "package_name",
    "ecosystem",
    "purl",
    "current_version",
    "target_version",
    "language",
    "affected_systems",
    "patch_size_lines",
    "repository",
    "base_commit",
    "strategy",
    "risk_level",
    "vulnerable_locations",
)


def record(decision: Decision, reviews: list[Review], comments: list[Comment], reader: Reader) -> dict[str, Any]:
    """Return S1's record of a decision, with everything sent but the diff, reviews, discussion, trace, revocation and
    what deployers acted on; null where the reader may not see it."""
    patch = decision.patch
    revocation: Revocation | None = getattr(decision, "revocation", None)
    every = {
        "decision_id": decision.decision_id,
        "alias": decision.alias,
        "patch_id": patch.patch_id,
        "kind": patch.kind,
        "revision": patch.revision,
        "producer": patch.producer.name,
        "patch_sha256": patch.sha256,
        "decision": decision.status,
        "status": decision.status,
        "decided_by": decision.decided_by or None,
        "decided_by_kind": decision.decided_by_kind or None,
        "decided_at": decision.decided_at,
        "channel": decision.channel or None,
        "cause": decision.cause or None,
        "category": decision.category or None,
        "reason": decision.reason.body if decision.reason else None,
        "comment": _approval_words(reviews),
        "priority": priority_word(decision),
        "requested_priority": patch.requested_priority or None,
        "requires_manual_review": patch.requires_manual_review,
        "manual_review_reason": patch.manual_review_reason or None,
        "created_at": decision.created_at,
        "updated_at": _updated_at(decision, reviews, revocation),
        "requires_escalation": decision.escalation_level > 0,
        "escalation_level": decision.escalation_level,
        "auto_approval_eligible": decision.would_auto_approve,
        "ml_wargaming_agreement": patch.agreement is True,
        "sla_due_at": deadline(decision.sla_due_at),
        "expire_at": deadline(decision.expire_at),
        "approvals": decision.approvals,
        "bypass": decision.bypass_id is not None,
        "required_approvals": decision.required_approvals,
        "required_groups": decision.required_groups,
        "policy": policy(decision),
        "trace": decision.trace,
        "patch_metadata": {name: _blank_is_null(getattr(patch, name)) for name in METADATA},
        "effective_severity": patch.effective_severity,
        "effective_cvss": patch.cvss_counted,
        "known_exploited": patch.known_exploited,
        "ml_prediction": _ml(patch),
        "wargaming_result": _wargaming(patch),
        "files": patch.file_count,
        "additions": patch.additions,
        "deletions": patch.deletions,
        "parse_warnings": patch.parse_warnings,
        "canonical_sha256": patch.canonical_sha256 or None,
        "no_canonical": patch.no_canonical or None,
        "ambiguous": patch.ambiguous or None,
        "marks": patch.marks,
        "synthetic": patch.synthetic,
        "people": {
            role: getattr(patch, role) or None
            for role in ("submitted_by", "triggered_by", "model_owner", "simulation_author")
        },
        "reviews": [_review(review) for review in reviews],
        "comments": [_said(added) for added in comments],
        "revocation": _revocation(revocation) if revocation else None,
        "acknowledgements": [_acknowledgement(said) for said in revocable.acknowledged(decision)],
    }
    return shown(every, reader)


def feed_item(entry: FeedEntry, reader: Reader) -> dict[str, Any]:
    decision = entry.decision
    revoked = entry.status == Status.REVOKED
    item = {
        "position": entry.position,
        "decision_id": decision.decision_id,
        "patch_id": decision.patch.patch_id,
        "kind": decision.patch.kind,
        "revision": decision.patch.revision,
        "producer": decision.patch.producer.name,
        "patch_sha256": decision.patch.sha256,
        "canonical_sha256": decision.patch.canonical_sha256 or None,
        "status": entry.status,
        "at": entry.at,
        # Of this change: a revoked decision keeps who approved it, and that item of the feed says so.
        "decided_by": decision.revocation.revoked_by if revoked else decision.decided_by,
        "decided_by_kind": DeciderKind.HUMAN if revoked else decision.decided_by_kind,
        "priority": priority_word(decision),
        "bypass": decision.bypass_id is not None,
    }
    return shown(item, reader)


def comment(added: Comment) -> dict[str, Any]:
    return {
        "status": "commented",
        "decision_id": added.decision.decision_id,
        "comment_id": added.pk,
        "side": added.side_of_line,
    }


def _approval_words(reviews: list[Review]) -> str | None:
    bodies = [
        review.text.body for review in reviews if review.verdict == "approve" and review.text and review.text.body
    ]
    return bodies[-1] if bodies else None


def _updated_at(decision: Decision, reviews: list[Review], revocation: Revocation | None) -> datetime:
    times = [decision.created_at, *(review.created_at for review in reviews)]
    if decision.decided_at:
        times.append(decision.decided_at)
    if revocation:
        times.append(revocation.revoked_at)
    return max(times)


def _blank_is_null(value: Any) -> Any:
    return None if value == "" else value


def _ml(patch: Patch) -> dict[str, Any] | None:
    if patch.ml_confidence is None:
        return None
    return {
        "model_version": patch.ml_model_version,
        "confidence": patch.ml_confidence,
        "prediction": patch.ml_prediction,
        "shap_values": patch.ml_shap,
        "base_value": patch.ml_base_value,
        "execution_time_ms": patch.ml_execution_ms,
    }


def _wargaming(patch: Patch) -> dict[str, Any] | None:
    """Return what was sent of the run; None when nothing was, whatever verdict came with it."""
    sent = {
        "phase1_success": patch.wargaming_phase1,
        "phase2_success": patch.wargaming_phase2,
        "validation_passed": patch.wargaming_validation_passed,
        "execution_time_ms": patch.wargaming_execution_ms,
        "error_message": patch.wargaming_error or None,
        "exploit_id": patch.wargaming_exploit_id or None,
        "phases": patch.wargaming_phases,
        "log": patch.wargaming_log or None,
        "run_url": patch.wargaming_run_url or None,
    }
    if patch.wargaming == Wargaming.NOT_RUN and not any(value is not None and value != [] for value in sent.values()):
        return None
    return sent | {"verdict": patch.wargaming}


def _review(review: Review) -> dict[str, Any]:
    return {
        "reviewer": review.reviewer.username,
        "in_name_of": review.delegated_from.username if review.delegated_from else None,
        "verdict": review.verdict,
        "category": review.category or None,
        "text": review.text.body if review.text else None,
        "patch_sha256": review.patch_sha256,
        "displayed": review.displayed,
        "channel": review.channel,
        "created_at": review.created_at,
        "withdrawn_at": review.withdrawn_at,
    }


def _said(added: Comment) -> dict[str, Any]:
    return {
        "author": added.author_label,
        "created_at": added.created_at,
        "file": added.file or None,
        "line": added.line,
        "side": added.side_of_line,
        "text": added.text.body,
    }


def _acknowledgement(said: Acknowledgement) -> dict[str, Any]:
    return {
        "deployer": said.deployer,
        "position": said.feed_entry_id,
        "status": said.feed_entry.status,
        "acknowledged_at": said.acknowledged_at,
    }


def _revocation(revocation: Revocation) -> dict[str, Any]:
    return {
        "revoked_by": revocation.revoked_by,
        "revoked_at": revocation.revoked_at,
        "reason": revocation.reason.body,
    }
