"""How two revisions differ apart from the diff: metadata, evidence, people and flags, as text.

Runs no query, except for the wargaming log, which lists never load, and for the request of a workflow gate.
"""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from hashlib import sha256
from os.path import commonprefix
from typing import Any

from approvals.models import Decision, Gate, Patch, Priority
from approvals.policy.visible_fields import Reader, seen_column, sees

LONGEST = 300  # characters of a value; of a longer one only an excerpt where the two differ
BEFORE = 60  # characters of an excerpt before the first difference


@dataclass(frozen=True, slots=True)
class Difference:
    """One field that differs, as text; '' if a revision has no value."""

    group: str
    label: str
    old: str
    new: str


LABELS: dict[str, dict[str, str]] = {
    "Advisory": {
        "title": "Title",
        "description": "About this patch",
        "cve_description": "Vulnerability",
        "apv_id": "APV id",
        "cve_ids": "Identifiers",
        "aliases": "Aliases",
        "cwe_ids": "Weakness",
        "severity": "Severity sent",
        "effective_severity": "Severity",
        "cvss_score": "CVSS score",
        "cvss_vector": "CVSS vector",
        "epss": "EPSS",
        "epss_date": "EPSS of",
        "kev": "Known exploited, says the producer",
        "known_exploited": "Known exploited",
        "affected_range": "Affected",
        "references": "References",
    },
    "Change": {
        "package_name": "Package",
        "ecosystem": "Ecosystem",
        "purl": "Package URL",
        "current_version": "Version now",
        "target_version": "Fixed in",
        "language": "Language",
        "affected_systems": "Runs on",
        "patch_size_lines": "Lines, says the producer",
        "repository": "Repository",
        "base_commit": "Base",
        "strategy": "Strategy",
        "risk_level": "Risk",
        "vulnerable_locations": "Vulnerable locations",
    },
    "ML": {
        "ml_prediction": "Verdict",
        "ml_confidence": "Confidence",
        "ml_model_version": "Model",
        "ml_base_value": "Base value",
        "ml_execution_ms": "Duration",
    },
    "Wargaming": {
        "wargaming": "Verdict",
        "wargaming_phase1": "Exploit works before",
        "wargaming_phase2": "Exploit fails after",
        "wargaming_validation_passed": "Validation passed",
        "wargaming_exploit_id": "Exploit",
        "wargaming_execution_ms": "Duration",
        "wargaming_error": "Error",
        "wargaming_run_url": "Run",
    },
    "People and flags": {
        "submitted_by": "Submitted by",
        "triggered_by": "Triggered by",
        "model_owner": "Model owner",
        "simulation_author": "Simulation author",
        "requested_priority": "Priority asked for",
        "requires_manual_review": "Manual review asked for",
        "manual_review_reason": "Why",
        "synthetic": "Synthetic evidence",
    },
}
COMPARED_APART = {"ml_shap", "wargaming_phases", "wargaming_log"}  # compared part by part, or as a whole

VERDICTS = {True: "SUCCESS", False: "FAIL"}
FORMATS: dict[str, Callable[[Any], str]] = {
    "ml_prediction": lambda value: VERDICTS[value],
    "ml_confidence": lambda value: f"{value * 100:.6g} %",
    "epss": lambda value: f"{value * 100:.6g} %",
    "ml_execution_ms": lambda value: f"{value:,} ms",
    "wargaming_execution_ms": lambda value: f"{value:,} ms",
    "vulnerable_locations": lambda value: "\n".join(_location(location) for location in value),
    "references": "\n".join,
}


def differences(older: Decision, newer: Decision, reader: Reader) -> list[Difference]:
    """Return what changed between two revisions, of the fields this reader sees, in the order of the patch page."""
    old, new = older.patch, newer.patch
    changes = [Difference("Priority", "Priority", *(Priority(decision.priority).label for decision in (older, newer)))]
    if new.is_gate:
        request_changes = asked_differently(old.gate, new.gate) if sees(reader, "request") else ()
        return [change for change in [*changes, *request_changes] if change.old != change.new]
    for group, labels in LABELS.items():
        changes += [
            Difference(group, label, *_excerpts(_text(old, name), _text(new, name)))
            for name, label in labels.items()
            if seen_column(reader, name)
        ]
        if group == "ML" and seen_column(reader, "ml_shap"):
            changes += _by_name(group, "SHAP", _shap(old), _shap(new))
        if group == "Wargaming" and seen_column(reader, "wargaming_phases"):
            changes += _by_name(group, "Phase", _phases(old), _phases(new))
        if group == "Wargaming" and seen_column(reader, "wargaming_log"):
            changes.append(Difference(group, "Log", *(_log(patch.wargaming_log) for patch in (old, new))))
    return [change for change in changes if change.old != change.new]


def _text(patch: Patch, name: str) -> str:
    value = getattr(patch, name)
    if value is None or value == "" or value == []:
        return ""
    if name in FORMATS:
        return FORMATS[name](value)
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list):
        return ", ".join(value)
    if isinstance(value, date):
        return value.isoformat()
    display = getattr(patch, f"get_{name}_display", None)
    return str(display() if display else value)


def _excerpts(old: str, new: str) -> tuple[str, str]:
    """Return both values; of long ones an excerpt that begins a little before they differ."""
    if max(len(old), len(new)) <= LONGEST or old == new:
        return old, new
    start = max(0, len(commonprefix([old, new])) - BEFORE)
    return _cut(old, start), _cut(new, start)


def _cut(text: str, start: int) -> str:
    part = text[start : start + LONGEST]
    return f"{'…' if start and text else ''}{part}{'…' if start + LONGEST < len(text) else ''}"


def _by_name(group: str, label: str, old: Mapping[str, str], new: Mapping[str, str]) -> Iterator[Difference]:
    for name in dict.fromkeys([*old, *new]):
        yield Difference(group, f"{label}: {name}", *_excerpts(old.get(name, ""), new.get(name, "")))


def _shap(patch: Patch) -> dict[str, str]:
    return {name: _contribution(raw) for name, raw in (patch.ml_shap or {}).items()}


def _contribution(raw: Any) -> str:
    if isinstance(raw, dict):
        value = raw.get("value")
        return f"{raw['contribution']:+g}{'' if value is None else f', value {value}'}"
    return f"{raw:+g}"


def _phases(patch: Patch) -> dict[str, str]:
    """Return the phases by name; a name that occurs again gets its number."""
    phases: dict[str, str] = {}
    for number, phase in enumerate(patch.wargaming_phases, 1):
        name = phase["name"] if phase["name"] not in phases else f"{phase['name']} ({number})"
        phases[name] = ", ".join(
            f"{key.replace('_', ' ')} {json.dumps(value)}"
            for key, value in phase.items()
            if key != "name" and value is not None
        )
    return phases


def _location(location: Mapping[str, Any]) -> str:
    lines = [str(location[edge]) for edge in ("start", "end") if location.get(edge) is not None]
    return f"{location['file']}:{'-'.join(lines)}" if lines else str(location["file"])


def _log(log: str) -> str:
    return f"{len(log):,} characters in all, sha256 {sha256(log.encode()).hexdigest()}" if log else ""


def grouped(found: Sequence[Difference]) -> list[tuple[str, list[Difference]]]:
    """Return the differences by group, in order."""
    groups: dict[str, list[Difference]] = {}
    for change in found:
        groups.setdefault(change.group, []).append(change)
    return list(groups.items())


GATE_LABELS: dict[str, dict[str, str]] = {
    "Request": {"title": "Title", "description": "Description"},
    "Context": {"context": ""},
    "Metadata": {"metadata": ""},
    "Who decides": {
        "require_min_approvers": "Approvals asked for",
        "require_all_approvers": "All of them must approve",
        "allowed_approvers": "May approve",
        "timeout_ms": "Time to decide, in ms",
        "timeout_action": "At the end of it",
        "submitted_by": "Submitted by",
        "triggered_by": "Triggered by",
        "escalate_to_users": "Escalate to",
        "notify_users": "Notify",
        "notify_roles": "Notify roles",
        "notify_channels": "Notify through",
        "auto_approve_conditions": "Conditions",
    },
}
"""Every field of a gate's request except the three ids; context and metadata are compared value by value."""

Path = tuple[str, ...]


def asked_differently(old: Gate, new: Gate) -> Iterator[Difference]:
    """Yield how the requests of two revisions of a gate differ, value by value, in the order of its page."""
    for group, labels in GATE_LABELS.items():
        before, after = (dict(_request_values(gate.request, labels)) for gate in (old, new))
        for path in dict.fromkeys([*before, *after]):
            sides = [values[path] for values in (before, after) if path in values]
            all_text = all(isinstance(value, str) and value for value in sides)
            texts = (_json_text(values[path], all_text) if path in values else "" for values in (before, after))
            yield Difference(group, ".".join(path), *_excerpts(*texts))


def _request_values(request: Mapping[str, Any], labels: Mapping[str, str]) -> Iterator[tuple[Path, Any]]:
    for name, label in labels.items():
        if not label:
            yield from _values(request[name], ())
        elif request[name] not in (None, "", []):
            yield (label,), request[name]


def _values(value: Any, path: Path) -> Iterator[tuple[Path, Any]]:
    """Yield the values of an object, each with its path; a list counts as one value."""
    if isinstance(value, dict) and (value or not path):
        for name, part in value.items():
            yield from _values(part, (*path, name))
    else:
        yield path, value


def _json_text(value: Any, all_text: bool) -> str:
    """Return a value as text; as JSON unless both sides are strings, because `3` and `"3"` are not the same."""
    return str(value) if all_text else json.dumps(value, ensure_ascii=False)
