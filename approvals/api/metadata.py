"""Turn the metadata of an intake document into a patch's columns and into notes on them."""

from collections.abc import Iterator
from typing import Any

from approvals.diff.structure import WarningFacts
from approvals.policy.cvss import base_score, contradicts
from approvals.policy.sent_values import is_web_link
from approvals.policy.severity import severity_of
from approvals.policy.vulnerability import all_names
from approvals.policy.weakness import kept

from .schemas import MAX_REFERENCES, PatchMetadata

MAY_BE_ABSENT = {"cvss_score", "epss", "epss_date", "patch_size_lines"}


def columns_of(metadata: PatchMetadata) -> dict[str, Any]:
    """Return the columns of a patch that its metadata says, and those derived from it alone."""
    sent = metadata.model_dump(exclude={"cve_id"})
    columns = {name: "" if value is None and name not in MAY_BE_ABSENT else value for name, value in sent.items()}
    cve_ids = metadata.all_cve_ids()
    scores = [score for score in (metadata.cvss_score, base_score(columns["cvss_vector"])) if score is not None]
    return columns | {
        "cve_ids": cve_ids,
        "references": _references(metadata)[:MAX_REFERENCES],
        "severity": severity_of(metadata.severity),
        "cwe_ids": kept(metadata.cwe_ids),
        "vulnerability_ids": all_names(cve_ids, sent["aliases"]),
        "cvss_counted": max(scores, default=None),
    }


def notes(metadata: PatchMetadata) -> list[WarningFacts]:
    """Return what a reviewer and the producer are told about the metadata; codes begin with `metadata-`."""
    said = [*_on_severity(metadata), *_on_cvss(metadata), *_on_references(metadata)]
    return [{"code": f"metadata-{code}", "message": words, "file": None, "line": None} for code, words in said]


def _on_severity(metadata: PatchMetadata) -> Iterator[tuple[str, str]]:
    counts = severity_of(metadata.severity)
    if metadata.severity.strip().lower() != counts:
        yield "severity", f"The severity “{metadata.severity.strip()}” counts as {counts}."


def _on_cvss(metadata: PatchMetadata) -> Iterator[tuple[str, str]]:
    vector, score = metadata.cvss_vector or "", metadata.cvss_score
    base = base_score(vector)
    if vector.strip() and base is None:
        yield "cvss-vector", "The CVSS vector cannot be read, so it counts for nothing."
    elif base is not None and score is not None and contradicts(score, base):
        yield (
            "cvss-contradiction",
            f"CVSS {score:.1f} was sent, and the vector beside it gives {base:.1f}: the higher one counts.",
        )


def _references(metadata: PatchMetadata) -> list[str]:
    return [reference for reference in metadata.references if reference]


def _on_references(metadata: PatchMetadata) -> Iterator[tuple[str, str]]:
    sent = _references(metadata)
    if len(sent) > MAX_REFERENCES:
        yield "references-cut", f"{len(sent):,} references were sent; the first {MAX_REFERENCES} are kept."
    others = sum(not is_web_link(reference) for reference in sent[:MAX_REFERENCES])
    if others:
        words = (
            "1 reference is no http or https address and stands"
            if others == 1
            else (f"{others} references are no http or https addresses and stand")
        )
        yield "references-no-link", f"{words} as text, not as a link."
