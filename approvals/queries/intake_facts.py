"""What intake reads under its locks, in one statement: which patch_ids are known, the vulnerabilities, the policies in
force, and whether automatic approval is stopped."""

from collections.abc import Collection
from dataclasses import dataclass

from approvals.models import PolicyVersion
from postgresql.statements import query

from .facts import CveFacts, cve_fact
from .policies import versions_of


@dataclass(frozen=True, slots=True)
class IntakeFacts:
    """`known_ids` are those patch_ids that some producer has used; `stopped_by` is '' while automation runs."""

    known_ids: list[str]
    cves: dict[str, CveFacts]
    versions: list[PolicyVersion]
    stopped_by: str


# patch_ids of any producer: with the producer in the condition, PostgreSQL without statistics reads all its patches.
INTAKE_FACTS_SQL = """
select
    array(select patch_id from approvals_patch where patch_id = any(%(patch_ids)s)),
    array(
        select json_build_array(
            cve,
            max(array_position(array['unknown','low','medium','high','critical'], patch.effective_severity::text)),
            count(*) filter (where decision.status = 'pending'),
            exists (select from approvals_knownexploited known where known.cve_id = cve)
        )
        from unnest(%(cves)s::varchar[]) cve
        left join approvals_patch patch on patch.vulnerability_ids @> array[cve]
        left join approvals_decision decision on decision.patch_id = patch.id
        group by cve
    ),
    array(
        select json_build_array(version.id, version.sha256, policy.name)
        from approvals_policy policy join approvals_policyversion version on version.id = policy.current_id
        where policy.enabled order by policy.position
    ),
    (select changed_by from approvals_killswitch where stopped)
"""


def intake_facts(patch_ids: Collection[str], cves: Collection[str]) -> IntakeFacts:
    """Return what is known of patches with these ids and of these vulnerabilities."""
    rows = query(INTAKE_FACTS_SQL, {"patch_ids": list(patch_ids), "cves": sorted(cves)})
    known_ids, facts, versions, stopped_by = rows[0]
    return IntakeFacts(
        known_ids,
        {cve: cve_fact(*fact) for cve, *fact in facts},
        versions_of([tuple(version) for version in versions]),
        stopped_by or "",
    )
