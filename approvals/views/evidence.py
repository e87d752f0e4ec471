"""The ML score, the policy's trace and the timeline, shaped for the patch page."""

from collections import defaultdict
from datetime import datetime
from typing import Any

from django.conf import settings

from approvals.errors import moment
from approvals.models import Category, Decision, Patch, Verdict
from approvals.policy.visible_fields import Reader, sees
from approvals.queries.evidence import track_record
from audit.queries import EntryFilters, body_of, data_of, entries
from audit.types import step_of

SHAP_SHOWN = 10
TOLERANCE = 0.005  # half of the last digit shown


def ml(patch: Patch, decision: Decision) -> dict[str, Any]:
    """Return the score, what it needs for automatic approval, and its SHAP rows, largest first; sums are checked."""
    confidence = patch.ml_confidence
    if confidence is None:
        return {"scored": False, "model_version": patch.ml_model_version}
    threshold = max(decision.policy_version.auto_approve_threshold, settings.AUTO_APPROVE_THRESHOLD)
    parts = sorted(
        (_part(name, raw) for name, raw in (patch.ml_shap or {}).items()), key=lambda part: -abs(part["contribution"])
    )
    total = (patch.ml_base_value or 0) + sum(part["contribution"] for part in parts)
    largest = abs(parts[0]["contribution"]) if parts else 0
    for part in parts:
        part["share_percent"] = round(abs(part["contribution"]) / largest * 100) if largest else 0
    rest = parts[SHAP_SHOWN:]
    has_sum = patch.ml_base_value is not None and bool(parts)
    return {
        "scored": True,
        "percent": percent(confidence),
        "success": bool(patch.ml_prediction),
        "threshold_percent": percent(float(threshold)),
        "model_version": patch.ml_model_version,
        "record": track_record(patch),
        "base": patch.ml_base_value,
        "rows": parts[:SHAP_SHOWN],
        "others": {"count": len(rest), "contribution": sum(part["contribution"] for part in rest)} if rest else None,
        "sum": total if has_sum else None,
        "adds_up": abs(total - confidence) <= TOLERANCE if has_sum else None,
    }


def percent(share: float) -> str:
    """Return a share as percent, floored at one digit so that 0.9999 never reads as 100."""
    return f"{int(share * 1000 + 1e-9) / 10:g}"


def policy(decision: Decision) -> dict[str, Any]:
    version = decision.policy_version
    return {
        "name": version.policy.name,
        "version": version.version,
        "trace": decision.trace,
        "failing": sum(row["outcome"] != "pass" for row in decision.trace),
        "mode": version.auto_approval,
    }


def _part(name: str, raw: Any) -> dict[str, Any]:
    value, contribution = (raw.get("value"), raw["contribution"]) if isinstance(raw, dict) else (None, raw)
    return {"label": name, "value": value, "contribution": contribution, "sign": "up" if contribution > 0 else "down"}


VERDICTS = {
    Verdict.APPROVE: "approved this digest",
    Verdict.REJECT: "rejected this digest",
    Verdict.REQUEST_CHANGES: "asked for changes to this digest",
}


def timeline(decision: Decision, reader: Reader) -> list[dict[str, Any]]:
    """Return what happened to a decision that this reader sees, newest first, from the audit log itself."""
    filters = EntryFilters(object_type="decision", object_ids=[str(decision.decision_id)])
    every = sees(reader, "refusals")
    return [_step(entry) for entry in entries(filters, limit=200) if every or entry.type != "decision.refused"]


def _step(entry: Any) -> dict[str, Any]:
    icon, kind, words = step_of(entry.type)
    body = body_of(entry)
    data = defaultdict(str, data_of(entry))  # a sentence that was erased is missing
    data["verdict"] = VERDICTS.get(data.get("verdict", ""), "")
    data["category"] = Category(data["category"]).label if data.get("category") else ""
    data["asked"] = f" and asked {', '.join(data['asked'])}" if data.get("asked") else ""
    data["until"] = moment(datetime.fromisoformat(data["to"])) if entry.type == "decision.extended" else ""
    leaf, context = getattr(entry, "leaf", None), getattr(entry, "context", None)
    digest = (body["patch"] or {}).get("sha256") or ""
    return {
        "icon": icon,
        "kind": kind,
        "what": words.format_map(data).rstrip(": "),
        "who": context.actor_label if context and context.actor_label else entry.actor_id,
        "at": entry.at,
        "detail": f"Digest {digest[:12]}" if entry.type in {"review.recorded", "patch.submitted"} and digest else "",
        "seq": leaf.seq if leaf else None,
        "hash": bytes(entry.leaf_hash).hex(),
    }
