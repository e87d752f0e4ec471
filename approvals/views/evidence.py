"""The ML score, the policy's trace and the timeline, shaped for the patch page."""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from django.conf import settings

from approvals.errors import moment
from approvals.models import Category, Decision, DeploymentAlarm, Patch, Verdict
from approvals.policy.visible_fields import Reader, sees
from approvals.queries.evidence import TrackRecord, track_record
from audit.queries import EntryFilters, body_of, data_of, entries
from audit.types import TYPES, step_of

SHAP_SHOWN = 10
TOLERANCE = 0.005  # half of the last digit shown


@dataclass(frozen=True, slots=True)
class Contribution:
    """What one feature adds to the score; `share_percent` is its length beside the largest."""

    label: str
    value: Any
    contribution: float
    share_percent: int

    @property
    def sign(self) -> str:
        return "up" if self.contribution > 0 else "down"


@dataclass(frozen=True, slots=True)
class Score:
    """The ML score, what automatic approval asks of it, and its largest SHAP rows; the sum of all is checked."""

    scored: bool
    model_version: str
    percent: str = ""
    success: bool = False
    threshold_percent: str = ""
    record: TrackRecord | None = None
    base: float | None = None
    rows: Sequence[Contribution] = ()
    others_count: int = 0  # features that have no row
    others_sum: float = 0
    sum: float | None = None
    adds_up: bool | None = None


def ml(patch: Patch, decision: Decision) -> Score:
    """Return the score with its SHAP rows, largest first."""
    confidence = patch.ml_confidence
    if confidence is None:
        return Score(False, patch.ml_model_version)
    threshold = max(decision.policy_version.auto_approve_threshold, settings.AUTO_APPROVE_THRESHOLD)
    sent = sorted(
        (_contribution(name, raw) for name, raw in (patch.ml_shap or {}).items()), key=lambda part: -abs(part[2])
    )
    largest = abs(sent[0][2]) if sent else 0
    rows = [Contribution(*part, round(abs(part[2]) / largest * 100) if largest else 0) for part in sent[:SHAP_SHOWN]]
    rest = [contribution for *_, contribution in sent[SHAP_SHOWN:]]
    total = (patch.ml_base_value or 0) + sum(contribution for *_, contribution in sent)
    has_sum = patch.ml_base_value is not None and bool(sent)
    return Score(
        scored=True,
        model_version=patch.ml_model_version,
        percent=percent(confidence),
        success=bool(patch.ml_prediction),
        threshold_percent=percent(float(threshold)),
        record=track_record(patch),
        base=patch.ml_base_value,
        rows=rows,
        others_count=len(rest),
        others_sum=sum(rest),
        sum=total if has_sum else None,
        adds_up=abs(total - confidence) <= TOLERANCE if has_sum else None,
    )


def percent(share: float) -> str:
    """Return a share as percent, floored at one digit so that 0.9999 never reads as 100."""
    return f"{int(share * 1000 + 1e-9) / 10:g}"


def _contribution(name: str, raw: Any) -> tuple[str, Any, float]:
    return (name, raw.get("value"), raw["contribution"]) if isinstance(raw, dict) else (name, None, raw)


SAID_AGAIN = ("comment.added", "decision.deployment_reported", "decision.deployment_alarmed")
REPEATED = ("decision.refused", *SAID_AGAIN)
NOT_REPEATED = tuple(name for name in TYPES if name not in REPEATED)
STEPS_SHOWN, REPEATED_SHOWN = 200, 40
VERDICTS = {
    Verdict.APPROVE: "approved this digest",
    Verdict.REJECT: "rejected this digest",
    Verdict.REQUEST_CHANGES: "asked for changes to this digest",
}
CATEGORIES: dict[str, str] = dict(Category.choices)
ALARMS: dict[str, str] = dict(DeploymentAlarm.choices)
EXTENDED = "decision.extended"


@dataclass(frozen=True, slots=True)
class Step:
    """One entry of the log as the timeline shows it."""

    icon: str
    kind: str
    what: str
    who: str
    at: datetime
    detail: str
    seq: int | None  # None until the sequencer has placed it
    hash: str


@dataclass(frozen=True, slots=True)
class Timeline:
    """What happened to a decision, newest first; whether the log has more of it."""

    steps: list[Step]
    cut: bool

    def __iter__(self) -> Iterator[Step]:
        return iter(self.steps)

    def __len__(self) -> int:
        return len(self.steps)


def timeline(decision: Decision, reader: Reader) -> Timeline:
    """Return what happened to a decision that this reader sees, from the audit log itself. What one person can add any
    number of times stands apart in the count, so that it pushes nothing else out."""
    filters = EntryFilters(object_type="decision", object_ids=[str(decision.decision_id)])
    repeated = REPEATED if sees(reader, "refusals") else SAID_AGAIN
    steps = entries(replace(filters, among=NOT_REPEATED), limit=STEPS_SHOWN + 1)
    tries = entries(replace(filters, among=repeated), limit=REPEATED_SHOWN + 1)
    shown = sorted([*steps[:STEPS_SHOWN], *tries[:REPEATED_SHOWN]], key=lambda entry: entry.pk, reverse=True)
    return Timeline([_step(entry) for entry in shown], len(steps) > STEPS_SHOWN or len(tries) > REPEATED_SHOWN)


def _step(entry: Any) -> Step:
    icon, kind, words = step_of(entry.type)
    body = body_of(entry)
    data = defaultdict(str, data_of(entry))  # what was erased, or not yet written by an older release, is missing
    data["verdict"] = VERDICTS.get(data["verdict"], "")
    data["category"] = CATEGORIES.get(data["category"], data["category"])
    by_revision = f"sent revision {data['by_revision']}, which took its place"
    data["superseded"] = by_revision if data["by_revision"] else f"ended it: {data['cause']}"
    data["reported"] = f"reported: {data['result']}. " if data["result"] else ""
    data["alarm"] = ALARMS.get(data["alarm"], data["alarm"])
    data["asked"] = f" and asked {', '.join(data['asked'])}" if data["asked"] else ""
    data["until"] = moment(datetime.fromisoformat(data["to"])) if data["to"] and entry.type == EXTENDED else ""
    leaf, context = getattr(entry, "leaf", None), getattr(entry, "context", None)
    digest = (body.get("patch") or {}).get("sha256") or ""
    return Step(
        icon=icon,
        kind=kind,
        what=words.format_map(data).rstrip(": "),
        who=context.actor_label if context and context.actor_label else entry.actor_id,
        at=entry.at,
        detail=f"Digest {digest[:12]}" if entry.type in {"review.recorded", "patch.submitted"} and digest else "",
        seq=leaf.seq if leaf else None,
        hash=bytes(entry.leaf_hash).hex(),
    )
