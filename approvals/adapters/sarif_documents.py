"""From the results of a SARIF log to intake documents: what the standard says of a result, and what a producer puts
into the property bag `hitl` of a run, a result or a fix, where the standard has no place for it."""

import base64
import hashlib
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import rfc8785

from approvals.models import Severity
from approvals.policy.severity import cvss_band
from approvals.policy.vulnerability import names_in

from .sarif_fixes import Sources, Unconvertible, diff_of, path_of
from .sarif_log import Component, DescriptorReference, Fix, Message, Result, Rule, Run, SarifLog

BAG = "hitl"
SCHEMES = ("CVE-", "GHSA-")
"""Ids by which rules of dependency scanners are named; any other id is sent in the bag."""
CWE_TAG = re.compile(r"external/cwe/cwe-0*(\d{1,5})")
"""How CodeQL tags a rule, and code scanning of GitHub reads it."""
MOST_LOCATIONS = 100
LONGEST = 20_000  # characters of a text


@dataclass(frozen=True, slots=True)
class ProposedFix:
    """One fix of a result, and where it stands in the log: indexes from 0."""

    run: int
    result: int
    fix: int
    sources: Sources
    found: Result
    rule: Rule | None

    @property
    def rule_id(self) -> str:
        """The id of the result's rule; '' where it names none."""
        return self.rule.id if self.rule else self.found.rule_id or ""

    def document(self) -> dict[str, Any]:
        """Return the intake document of the fix; raise Unconvertible."""
        run, fix = self.sources.run, self.found.fixes[self.fix]
        bags = [_bag(part.properties) for part in (run, self.found, fix)]
        metadata = _metadata(run, self.found, self.rule, fix)
        given: dict[str, Any] = {"patch_id": _patch_id(run, self.found, self.rule_id, self.fix)}
        for bag in bags:
            given |= bag
            metadata |= bag.get("patch_metadata") or {}
        diff = base64.b64encode(diff_of(fix, self.sources)).decode()
        return given | {"patch_metadata": metadata, "diff_base64": diff}


def proposed(log: SarifLog) -> Iterator[ProposedFix]:
    """Yield each fix of a log, in its order; none is converted yet."""
    for r, run in enumerate(log.runs):
        sources = Sources(run)
        for n, result in enumerate(run.results or []):
            rule = _rule(run, result) if result.fixes else None
            yield from (ProposedFix(r, n, f, sources, result, rule) for f in range(len(result.fixes)))


def _bag(properties: dict[str, Any]) -> dict[str, Any]:
    bag = properties.get(BAG) or {}
    if not isinstance(bag, dict) or not isinstance(bag.get("patch_metadata") or {}, dict):
        raise Unconvertible(f"properties.{BAG} and its patch_metadata must be objects")
    if made := {"diff", "diff_base64"} & bag.keys():
        raise Unconvertible(f"properties.{BAG}.{sorted(made)[0]}: the diff is made from the fix")
    return bag


def _metadata(run: Run, result: Result, rule: Rule | None, fix: Fix) -> dict[str, Any]:
    """Return what the standard says of a result, in our words; nothing else."""
    rule_id = rule.id if rule else result.rule_id or ""
    text = _text(result.message, rule)
    found: dict[str, Any] = {
        "apv_id": rule_id[:255],
        "title": (_text(fix.description, rule) or (_text(rule.short_description, rule) if rule else "") or text)[:500],
        "description": text,
        "severity": _severity(rule),
        "cve_ids": [name for name in names_in(rule_id[:255]) if name.startswith(SCHEMES)],
        "cwe_ids": _weaknesses(result, rule),
        "references": [rule.help_uri] if rule and rule.help_uri else [],
        "vulnerable_locations": list(_locations(run, result))[:MOST_LOCATIONS],
    }
    if len(run.version_control_provenance) == 1:
        [provenance] = run.version_control_provenance
        found |= {"repository": provenance.repository_uri, "base_commit": provenance.revision_id}
    return found


def _rule(run: Run, result: Result) -> Rule | None:
    """Return the descriptor of a result's rule, in the component that the result names."""
    reference = result.rule or DescriptorReference()
    component = _component(run, reference)
    if component is None:
        return None
    index = result.rule_index if result.rule_index >= 0 else reference.index
    if 0 <= index < len(component.rules):
        return component.rules[index]
    wanted = result.rule_id or reference.id
    # A hierarchical id (`CA2101/Arguments`) names a rule by all but its last parts.
    names = [wanted, wanted.rsplit("/", 1)[0]] if wanted else []
    return next((rule for name in names for rule in component.rules if rule.id == name), None)


def _component(run: Run, reference: DescriptorReference) -> Component | None:
    named = reference.tool_component
    if named is None:
        return run.tool.driver
    if 0 <= named.index < len(run.tool.extensions):
        return run.tool.extensions[named.index]
    return next((one for one in run.tool.extensions if one.name == named.name), None)


def _text(message: Message | None, rule: Rule | None) -> str:
    """Return a message as plain text; one that is named by its id is the rule's, with its arguments put in."""
    if message is None:
        return ""
    text = message.text
    if text is None and message.id and rule:
        text = (rule.message_strings.get(message.id) or Message()).text
    text = (text or "")[:LONGEST]
    for number, argument in enumerate(message.arguments[:10]):
        text = text.replace(f"{{{number}}}", argument[:1000])[:LONGEST]
    return text


def _severity(rule: Rule | None) -> str:
    """Return the severity of `security-severity`, a score as CVSS has them. A `level` says how sure a tool is, and is
    none."""
    said = rule.properties.get("security-severity") if rule else None
    try:
        score = float(said) if isinstance(said, str | int | float) else -1.0
    except ValueError:
        score = -1.0
    return str(cvss_band(score)) if 0 < score <= 10 else str(Severity.UNKNOWN)


def _weaknesses(result: Result, rule: Rule | None) -> list[str]:
    targets = [*result.taxa, *(one.target for one in (rule.relationships if rule else []))]
    named = [
        one.id for one in targets if one.id and one.tool_component and (one.tool_component.name or "").upper() == "CWE"
    ]
    tags = rule.properties.get("tags") if rule else None
    tagged = [CWE_TAG.fullmatch(tag) for tag in tags if isinstance(tag, str)] if isinstance(tags, list) else []
    numbers = [name.upper().removeprefix("CWE-") for name in named] + [tag[1] for tag in tagged if tag]
    return list(dict.fromkeys(f"CWE-{number}" for number in numbers if number.isdigit()))


def _locations(run: Run, result: Result) -> Iterator[dict[str, Any]]:
    for location in result.locations:
        physical = location.physical_location
        if physical is None or physical.artifact_location is None or not physical.artifact_location.uri:
            continue
        try:
            path = path_of(physical.artifact_location, run)
        except Unconvertible:
            continue  # only what a fix changes must be told exactly
        region = physical.region
        start = region.start_line if region else None
        yield {"file": path, "start": start, "end": (region.end_line or start) if region else None}


def _patch_id(run: Run, result: Result, rule_id: str, number: int) -> str:
    """Return the same id for the same fix of a later log: by the result's fingerprints or guid, else by its place."""
    identity = (
        result.fingerprints
        or result.partial_fingerprints
        or result.correlation_guid
        or result.guid
        or [location.model_dump() for location in result.locations]
    )
    exact = hashlib.sha256(rfc8785.dumps([run.tool.driver.name, rule_id, identity, number])).hexdigest()[:32]
    readable = re.sub(r"[^A-Za-z0-9._+-]+", "-", rule_id).strip("-.")[:60]
    return ":".join(filter(None, ["sarif", readable, exact]))
