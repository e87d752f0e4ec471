"""What the database has about a patch's vulnerability, and a patch as policy conditions see it.

A decision as the rules see it, which are asked who may decide, is in `decision_facts.py`.
"""

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

from approvals.models import Patch, Priority, Severity
from postgresql.statements import query


@dataclass(frozen=True, slots=True)
class CveFacts:
    """One name of a vulnerability: the worst severity of its patches, how many are pending, and if it is exploited."""

    severity: Severity
    pending: int
    known_exploited: bool


CVE_FACTS_SQL = """
select cve,
       max(array_position(array['unknown','low','medium','high','critical'], patch.effective_severity::text)),
       count(*) filter (where decision.status = 'pending'),
       exists (select from approvals_knownexploited known where known.cve_id = cve)
from unnest(%s::varchar[]) cve
left join approvals_patch patch on patch.vulnerability_ids @> array[cve]
left join approvals_decision decision on decision.patch_id = patch.id
group by cve
"""


def cve_facts(cve_ids: Collection[str]) -> dict[str, CveFacts]:
    """Return the facts by name of a vulnerability; one query, none without names."""
    if not cve_ids:
        return {}
    return {cve: cve_fact(*fact) for cve, *fact in query(CVE_FACTS_SQL, [sorted(cve_ids)])}


def cve_fact(rank: int | None, pending: int, exploited: bool) -> CveFacts:
    """Return the facts of a row; `rank` is the place of the worst severity, from 1, None without patches."""
    return CveFacts(Severity.UNKNOWN if rank is None else list(Severity)[rank - 1], pending, exploited)


def condition_facts(patch: Patch, producer: str, priority: Priority) -> dict[str, Any]:
    """Return the patch as CEL conditions see it (`policy.conditions.FACTS`); what is absent is null."""
    return {
        "priority": priority.name.lower(),
        "severity": patch.effective_severity,
        "cvss": patch.cvss_counted,
        "kev": patch.known_exploited,
        "confidence": patch.ml_confidence,
        "prediction": patch.ml_prediction,
        "wargaming": str(patch.wargaming),
        "risk_level": patch.risk_level or None,
        "strategy": patch.strategy or None,
        "ecosystem": patch.ecosystem or None,
        "package_name": patch.package_name or None,
        "repository": patch.repository or None,
        "language": patch.language or None,
        "producer": producer,
        "kind": str(patch.kind),
        "cve_ids": patch.vulnerability_ids,
        "cwe_ids": patch.cwe_ids,
        "files": patch.file_count,
        "additions": patch.additions,
        "deletions": patch.deletions,
        "manual_review": patch.requires_manual_review,
        "unambiguous": not patch.ambiguous,
        "marks": patch.marks,
    }
