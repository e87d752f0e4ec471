"""Which policy covers a patch, and whether it could have been approved without a person. Pure."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Literal, NamedTuple, Protocol

from approvals.models import AutoApproval, PolicyVersion, Priority, Severity, Wargaming

from .conditions import cel_context, holds

Outcome = Literal["pass", "fail", "absent"]


@dataclass(frozen=True, slots=True)
class Condition:
    """One line of the trace: what is asked, what this patch has, and whether that is enough."""

    text: str
    value: str
    outcome: Outcome


@dataclass(frozen=True, slots=True)
class Situation:
    """What is known around a patch at the moment it is judged; the patch itself cannot know it."""

    trusted_for_ml: bool
    trusted_for_wargaming: bool
    other_candidates: int
    urgency: Priority
    unusual: str  # what the patch changes besides lines of text; '' for nothing
    touched: tuple[tuple[tuple[str, ...], tuple[tuple[int, int], ...]], ...]  # names of a file, runs of old lines
    stopped_by: str  # 'setting' or a person's name; '' while automatic approval runs
    floor: Decimal
    drawn: bool = False  # for a spot check
    known_submitter: bool = True
    refused: bool = False  # by people, in an earlier revision or in another patch that changes the same


class Judged(Protocol):
    """What the conditions read of a patch."""

    @property
    def ml_confidence(self) -> float | None: ...
    @property
    def ml_prediction(self) -> bool | None: ...
    @property
    def wargaming(self) -> str: ...
    @property
    def effective_severity(self) -> str: ...
    @property
    def known_exploited(self) -> bool: ...
    @property
    def risk_level(self) -> str: ...
    @property
    def requires_manual_review(self) -> bool: ...
    @property
    def file_count(self) -> int: ...
    @property
    def parsed(self) -> bool: ...
    @property
    def additions(self) -> int: ...
    @property
    def deletions(self) -> int: ...
    @property
    def ambiguous(self) -> str: ...
    @property
    def marks(self) -> list[str]: ...
    @property
    def vulnerable_locations(self) -> list[dict[str, Any]]: ...


AT_LEAST = "ML confidence is at least"
SWITCHED_ON = "Automatic approval is switched on"
ENFORCED = "The policy is enforced"
LINES_ONLY = "It changes lines of text and nothing else"
SAME_CHANGE = "Every common tool applies the same change"
KNOWN_SUBMITTER = "Whoever submitted or triggered it has an account here"
SPOT_CHECK = "Not drawn for a spot check"
REFUSED_BEFORE = Condition("Nobody refused this change before", "refused", "fail")
"""The line of the trace of what people refused, cancelled or revoked. Where nobody did, or nothing hangs
on it, there is none."""
GATE = Condition("It is a patch with evidence of its own", "workflow gate", "fail")
"""The one line of the trace of a workflow gate without conditions: there is nothing to score, so a person decides."""
GATE_OUTCOMES: dict[Outcome, str] = {"pass": "holds", "fail": "does not hold", "absent": "not sent"}

KNOWN_EXPLOITED = {"text": "Not known to be exploited", "value": "listed", "outcome": "fail"}
"""The trace's row once the CVE is in the catalogue of known exploited vulnerabilities."""


def covering(versions: Iterable[PolicyVersion], facts: dict[str, Any]) -> PolicyVersion:
    """Return the first version that matches; raise LookupError when none does (the default policy always does)."""
    known = cel_context(facts)
    for version in versions:
        if holds(version.match, known):
            return version
    raise LookupError("No policy matches; the default policy is missing.")


class AutoApprovalResult(NamedTuple):
    """What the conditions come to: the trace, whether a policy in shadow mode would have approved, and whether an
    enforced one does."""

    trace: list[Condition]
    would: bool
    does: bool


def auto_approval(patch: Judged, version: PolicyVersion, situation: Situation) -> AutoApprovalResult:
    """Judge a patch by every condition for approval without a person. Missing is never a pass."""
    conditions = [
        *_evidence(patch, version.auto_approve_threshold, situation),
        *_risk(patch, situation.urgency),
        _none_waiting(situation.other_candidates),
        *_content(patch, situation.unusual),
        _marks(patch.marks, version.allowed_marks),
        _scope(patch, situation.touched, version.location_slack),
    ]
    return _verdict(conditions, version, situation)


def gate_approval(outcomes: Sequence[Outcome], version: PolicyVersion, situation: Situation) -> AutoApprovalResult:
    """Judge a workflow gate by what came of the conditions it was sent with; without any, a person decides.

    The trace numbers them and does not repeat them: not everybody who reads a trace may read what was sent.
    """
    if not outcomes:
        return AutoApprovalResult([GATE], would=False, does=False)
    allowed = version.gate_conditions
    sent = f"of the {len(outcomes)} it was sent with" if len(outcomes) > 1 else "it was sent with"
    conditions = [
        _met("The policy lets a gate's own conditions approve it", "yes" if allowed else "no", allowed),
        _not_critical(situation.urgency),
        *(
            Condition(f"Condition {number} {sent}", GATE_OUTCOMES[outcome], outcome)
            for number, outcome in enumerate(outcomes, start=1)
        ),
    ]
    return _verdict(conditions, version, situation)


def _verdict(conditions: list[Condition], version: PolicyVersion, situation: Situation) -> AutoApprovalResult:
    """Add what is asked of everything that no person decides, and add up."""
    conditions = [*conditions, _switch(situation.stopped_by)]
    if version.known_submitter:
        known = situation.known_submitter
        conditions.append(_met(KNOWN_SUBMITTER, "known" if known else "unknown", known))
    if version.spot_check_percent:
        share = f"{version.spot_check_percent} % are drawn"
        conditions.append(_met(SPOT_CHECK, share, not situation.drawn))
    if situation.refused:
        conditions.append(REFUSED_BEFORE)
    meets = all(condition.outcome == "pass" for condition in conditions)
    mode = AutoApproval(version.auto_approval)
    conditions.append(_met(ENFORCED, str(mode), mode == AutoApproval.ENFORCE))
    return AutoApprovalResult(conditions, meets and mode == AutoApproval.SHADOW, meets and mode == AutoApproval.ENFORCE)


def as_rows(conditions: list[Condition]) -> list[dict[str, str]]:
    """Return the trace as it is stored and sent: a list of {text, value, outcome}."""
    return [{"text": one.text, "value": one.value, "outcome": one.outcome} for one in conditions]


def without_names(trace: list[dict[str, str]]) -> list[dict[str, str]]:
    """Return a trace as entries hold it: without who stopped automatic approval, whom the entry of that names."""
    nobody = {"on", "stopped by setting"}
    return [
        row | {"value": "stopped"} if row["text"] == SWITCHED_ON and row["value"] not in nobody else row
        for row in trace
    ]


def _switch(stopped_by: str) -> Condition:
    return _met(SWITCHED_ON, f"stopped by {stopped_by}" if stopped_by else "on", not stopped_by)


def _met(text: str, value: str, holds: bool) -> Condition:
    return Condition(text, value, "pass" if holds else "fail")


def _evidence(patch: Judged, own: Decimal, situation: Situation) -> list[Condition]:
    threshold = max(situation.floor, own)
    confidence, prediction = patch.ml_confidence, patch.ml_prediction
    ran = patch.wargaming != Wargaming.NOT_RUN
    scored = prediction is not None and confidence is not None
    passed = patch.wargaming == Wargaming.PASSED
    concluded = passed or patch.wargaming == Wargaming.FAILED
    at_least = f"{AT_LEAST} {threshold.normalize():f}"
    if threshold > own:  # never silently: the policy asks for less than the installation allows
        at_least += f" (set for all policies; this one says {own.normalize():f})"
    return [
        _met("ML predicts success", "SUCCESS" if prediction else "FAIL", bool(prediction))
        if scored
        else Condition("ML predicts success", "not scored", "absent"),
        _met(at_least, _distance(Decimal(repr(confidence)), threshold), Decimal(repr(confidence)) >= threshold)
        if scored
        else Condition(at_least, "not scored", "absent"),
        _met("Wargaming passed in both phases", Wargaming(patch.wargaming).label.lower(), passed)
        if ran
        else Condition("Wargaming passed in both phases", "not run", "absent"),
        _met("ML and wargaming agree", "agree" if prediction == passed else "disagree", prediction == passed)
        if scored and concluded
        else Condition("ML and wargaming agree", "nothing to compare", "absent"),
        _met("The producer is trusted for ML", "yes" if situation.trusted_for_ml else "no", situation.trusted_for_ml),
        _met(
            "The producer is trusted for wargaming",
            "yes" if situation.trusted_for_wargaming else "no",
            situation.trusted_for_wargaming,
        ),
    ]


def _distance(confidence: Decimal, threshold: Decimal) -> str:
    """Return the confidence and how far it is from the threshold, such as `0.93, 0.02 short`."""
    away = abs(confidence - threshold).normalize()
    return f"{confidence.normalize():f}, {away:f} {'above' if confidence >= threshold else 'short'}"


def _risk(patch: Judged, urgency: Priority) -> list[Condition]:
    severity, risk = patch.effective_severity, patch.risk_level
    return [
        Condition("Severity is known and not critical", "unknown", "absent")
        if severity == Severity.UNKNOWN
        else _met("Severity is known and not critical", severity, severity != Severity.CRITICAL),
        _not_critical(urgency),
        _met(KNOWN_EXPLOITED["text"], "listed" if patch.known_exploited else "not listed", not patch.known_exploited),
        _met("Risk level is low or medium", risk, risk in {"low", "medium"})
        if risk
        else Condition("Risk level is low or medium", "not stated", "absent"),
        _met(
            "No manual review was asked for",
            "asked for" if patch.requires_manual_review else "not asked for",
            not patch.requires_manual_review,
        ),
    ]


def _not_critical(urgency: Priority) -> Condition:
    return _met("Priority is not critical", urgency.name.lower(), urgency != Priority.CRITICAL)


def _none_waiting(others: int) -> Condition:
    return _met("No other candidate for the CVE waits", f"{others} waiting", others == 0)


def _content(patch: Judged, unusual: str) -> list[Condition]:
    value = counted(patch.file_count, "file") if patch.parsed else "not parsed"
    changed = patch.additions + patch.deletions
    return [
        _met("The diff is not empty and parses", value, patch.parsed and patch.file_count > 0),
        _met(
            LINES_ONLY,
            unusual or counted(changed, "line"),
            changed > 0 and not unusual,
        ),
        _met(SAME_CHANGE, patch.ambiguous or "yes", not patch.ambiguous),
    ]


def _marks(found: Sequence[str], allowed: Sequence[str]) -> Condition:
    """Compare our own marks with those that the policy lets pass; shipped policies let none pass."""
    blocking = [code for code in found if code not in allowed]
    value = ", ".join(blocking) if blocking else f"{len(found)} allowed by the policy" if found else "none"
    return _met("No mark asks for a look", value, not blocking)


def _scope(
    patch: Judged, touched: Sequence[tuple[tuple[str, ...], tuple[tuple[int, int], ...]]], slack: int
) -> Condition:
    """Compare what is changed with what the producer declared vulnerable; declaring nothing is not a pass.

    Both names of a file count. A location with lines covers those and `slack` more on either side; one without covers
    the file.
    """
    text = "Only declared locations are changed"
    declared: dict[str, list[dict[str, Any]]] = {}
    for location in patch.vulnerable_locations:
        declared.setdefault(location["file"], []).append(location)
    if not declared:
        return Condition(text, "none declared", "absent")
    files = sum(any(name not in declared for name in names) for names, _ in touched)
    if files:
        return _met(text, f"{counted(files, 'file')} outside", False)
    outside = sum(
        not any(_covers(location, run, slack) for name in names for location in declared[name])
        for names, runs in touched
        for run in runs
    )
    return _met(
        text, f"{counted(outside, 'place')} outside the declared lines" if outside else "0 files outside", not outside
    )


def _covers(location: dict[str, Any], run: tuple[int, int], slack: int) -> bool:
    start, end = location.get("start"), location.get("end")
    first = 1 if start is None else start - slack
    last = (start + slack if start is not None else run[1]) if end is None else end + slack
    return first <= run[0] and run[1] <= last


def counted(number: int, noun: str) -> str:
    """Return a number with its noun, in the plural where it is not one."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"
