"""The candidates of one vulnerability: which others an approval ends, and all of them side by side."""

from approvals.models import Decision
from postgresql.statements import query_prepared

MOST_ENDED = 200
"""So many candidates one approval ends, the oldest first; the rest wait on."""

# Candidates for the same thing: of the same package or the same repository, and nothing that both name differs. The
# patches of the vulnerability first, as in OTHER_CANDIDATES_SQL.
ENDED_WITH_SQL = """
with same as materialized (
    select id, package_name, ecosystem, repository, current_version
    from approvals_patch where vulnerability_ids && %(names)s::varchar[]
)
select decision.id
from same
join approvals_decision decision on decision.patch_id = same.id
join approvals_policyversion version on version.id = decision.policy_version_id
where decision.status = 'pending' and version.supersede_candidates and decision.id <> %(decision)s
    and (package_name = %(package)s and package_name <> '' or repository = %(repository)s and repository <> '')
    and (package_name = %(package)s or package_name = '' or %(package)s = '')
    and (ecosystem = %(ecosystem)s or ecosystem = '' or %(ecosystem)s = '')
    and (repository = %(repository)s or repository = '' or %(repository)s = '')
    and (current_version = %(version)s or current_version = '' or %(version)s = '')
order by decision.id limit %(limit)s
"""


def ended_with(decision: Decision) -> list[int]:
    """Return the keys of the other pending candidates that an approval of this one would end, in order, up to
    `MOST_ENDED`; none, and no query, where its policy does not say so or it names no vulnerability."""
    patch = decision.patch
    if not decision.policy_version.supersede_candidates or not patch.vulnerability_ids:
        return []
    parameters = {
        "names": patch.vulnerability_ids,
        "decision": decision.pk,
        "package": patch.package_name,
        "ecosystem": patch.ecosystem,
        "repository": patch.repository,
        "version": patch.current_version,
        "limit": MOST_ENDED,
    }
    return [key for (key,) in query_prepared(ENDED_WITH_SQL, parameters)]
