"""What was decided, as a SARIF 2.1.0 log: one result for each judged patch, with the fix where it is approved. A
decision about a fix says nothing against the finding, so none is ever suppressed."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from approvals.diff.parse import parse
from approvals.diff.structure import ADD, CONTEXT, DELETE, EATEN, NOTE, File, Hunk
from approvals.models import Decision, DeploymentResult, Patch, Severity
from approvals.policy.sent_values import is_web_link
from approvals.policy.vulnerability import spelled
from approvals.queries.revocable import APPROVED

from .sarif_fixes import Unconvertible

LEVELS = {Severity.CRITICAL: "error", Severity.HIGH: "error", Severity.LOW: "note"}
ROOT = "%SRCROOT%"
SCHEMA = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"


@dataclass(frozen=True, slots=True)
class Told:
    """A judged decision, and of it what the reader may see: the diff (or in words why it is not there) and the reason
    ('' for none)."""

    decision: Decision
    diff: bytes | None
    no_diff: str
    reason: str


def sarif_of(told: Iterable[Told], *, version: str, base_url: str) -> dict[str, Any]:
    """Return the log: a run for each repository and commit that patches stand on."""
    runs: dict[tuple[str, str], list[Told]] = {}
    for one in told:
        runs.setdefault((one.decision.patch.repository, one.decision.patch.base_commit), []).append(one)
    made = [_run(*place, of, version, base_url) for place, of in runs.items()]
    return {"$schema": SCHEMA, "version": "2.1.0", "runs": made or [_run("", "", [], version, base_url)]}


def _run(repository: str, commit: str, told: list[Told], version: str, base_url: str) -> dict[str, Any]:
    rules = {_rule_id(one.decision.patch): _rule(one.decision.patch) for one in told}
    numbers = {rule_id: number for number, rule_id in enumerate(rules)}
    driver = {"name": "HITL", "version": version, "informationUri": base_url, "rules": list(rules.values())}
    run: dict[str, Any] = {"tool": {"driver": driver}, "columnKind": "unicodeCodePoints"}
    if is_web_link(repository):
        run["versionControlProvenance"] = [
            {"repositoryUri": repository, **({"revisionId": commit} if commit else {}), "mappedTo": {"uriBaseId": ROOT}}
        ]
    return run | {"results": [_result(one, numbers[_rule_id(one.decision.patch)], base_url) for one in told]}


def _rule_id(patch: Patch) -> str:
    return spelled(patch.vulnerability_ids[0]) if patch.vulnerability_ids else patch.apv_id


def _rule(patch: Patch) -> dict[str, Any]:
    tags = ["security", *(f"external/cwe/{cwe.lower()}" for cwe in patch.cwe_ids)]
    score = {} if patch.cvss_counted is None else {"security-severity": f"{patch.cvss_counted:.1f}"}
    return {"id": _rule_id(patch), "properties": {"tags": tags, **score}}


def _result(one: Told, rule_index: int, base_url: str) -> dict[str, Any]:
    decision, patch = one.decision, one.decision.patch
    deployed = decision.status in APPROVED and getattr(decision, "last_result", None) == DeploymentResult.DEPLOYED
    fixes, why_not = _fixes(one)
    said: dict[str, Any] = {
        "decision_id": str(decision.decision_id),
        "patch_id": patch.patch_id,
        "revision": patch.revision,
        "patch_sha256": patch.sha256,
        "status": decision.status,
        "decided_at": decision.decided_at,
        "deployed": deployed,
        "names": [spelled(name) for name in patch.vulnerability_ids],
        "severity": patch.effective_severity,
        **({"category": decision.category} if decision.category else {}),
        **({"reason": one.reason} if one.reason else {}),
        **({"no_fix": why_not} if why_not else {}),
    }
    return {
        "ruleId": _rule_id(patch),
        "ruleIndex": rule_index,
        # A level belongs to a problem, and where its fix is deployed there is none.
        "kind": "informational" if deployed else "fail",
        "level": "none" if deployed else LEVELS.get(Severity(patch.effective_severity), "warning"),
        "message": {"text": patch.heading},
        "fingerprints": {"hitlDecision/v1": str(decision.decision_id)},  # a `guid` of SARIF may not be of version 7
        "locations": [_location(place) for place in patch.vulnerable_locations],
        "hostedViewerUri": f"{base_url}/patches/{decision.decision_id}",
        "suppressions": [],
        "fixes": fixes,
        "properties": {"hitlDecision": said},
    }


def _location(place: dict[str, Any]) -> dict[str, Any]:
    region = {"startLine": place.get("start"), "endLine": place.get("end")}
    known = {name: line for name, line in region.items() if line and (name == "startLine" or place.get("start"))}
    return {"physicalLocation": {"artifactLocation": _artifact(place["file"]), **({"region": known} if known else {})}}


def _artifact(path: str) -> dict[str, str]:
    return {"uri": quote(path), "uriBaseId": ROOT}


def _fixes(one: Told) -> tuple[list[dict[str, Any]], str]:
    """Return the fix of an approved patch, or in words why there is none."""
    if one.decision.status not in APPROVED:
        return [], "It is not approved."
    if one.diff is None:
        return [], one.no_diff
    try:
        return [fix_of(one.diff, one.decision.patch.heading)], ""
    except Unconvertible as error:
        return [], f"{error}."


def fix_of(diff: bytes, description: str) -> dict[str, Any]:
    """Return a diff in canonical form as a SARIF fix; raise Unconvertible for what only a diff can say."""
    files = [_plain_change(file) for file in parse(diff).files]
    if len({file.path for file in files}) < len(files):
        raise Unconvertible("a file is changed twice, one after the other, and the replacements of a fix have no order")
    changes = [
        {"artifactLocation": _artifact(file.path), "replacements": [one for hunk in file.hunks for one in _of(hunk)]}
        for file in files
    ]
    return {"description": {"text": description}, "artifactChanges": changes}


def _plain_change(file: File) -> File:
    if file.change != "modified" or file.binary or file.symlink or file.submodule or file.old_mode != file.new_mode:
        what = "changed in a way beside its text" if file.change == "modified" else file.change
        raise Unconvertible(f"{file.path} is {what}, and a fix of SARIF can only change text")
    return file


def _of(hunk: Hunk) -> Iterator[dict[str, Any]]:
    """Yield a replacement for each run of changed lines; its columns are counted in characters."""
    line = hunk.old_start or 1
    deleted: list[str] = []
    added: list[str] = []
    last = deleted
    for raw, code in [*hunk.coded_lines, (b" ", CONTEXT)]:
        if code == NOTE:
            last[-1:] = [text.removesuffix("\n") for text in last[-1:]]
            continue
        if code in (CONTEXT, EATEN):
            if deleted or added:
                yield _replacement(line, deleted, added)
                line, deleted, added = line + len(deleted), [], []
            line, last = line + 1, []
            continue
        last = {DELETE: deleted, ADD: added}[code]
        last.append(_text(raw[1:]))


def _text(raw: bytes) -> str:
    try:
        return raw.decode()
    except UnicodeDecodeError:
        raise Unconvertible("a line is not UTF-8, and SARIF is text") from None


def _replacement(line: int, deleted: list[str], added: list[str]) -> dict[str, Any]:
    end = {"endLine": line + len(deleted), "endColumn": 1}
    if deleted and not deleted[-1].endswith("\n"):
        end = {"endLine": line + len(deleted) - 1, "endColumn": len(deleted[-1]) + 1}
    region = {"startLine": line, "startColumn": 1, **end}
    return {"deletedRegion": region, **({"insertedContent": {"text": "".join(added)}} if added else {})}
