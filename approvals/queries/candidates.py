"""The candidates of one vulnerability: which others an approval ends, and all of them side by side."""

from dataclasses import dataclass

from django.db.models import Q, QuerySet

from approvals.models import Channel, Decision, Patch, Status
from postgresql.statements import query_prepared

MOST_FOUND = 1_000  # patches of one vulnerability, the newest
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


@dataclass(frozen=True, slots=True)
class Candidates:
    """The patches for one vulnerability: by which names, and their decisions, each set in no order."""

    names: list[str]
    waiting: QuerySet[Decision]
    decided: QuerySet[Decision]


def candidates(names: list[str]) -> Candidates | None:
    """Return the candidates for a vulnerability, also those that know it by another name of the same patch alone; None
    where there is none. Revisions that a newer one replaced are left out; two queries."""
    known = _patches(names).values_list("vulnerability_ids", flat=True)
    every = sorted({name for row in known for name in row})
    if not every:
        return None
    patches = list(_patches(every).values_list("pk", flat=True))
    rows = Decision.objects.filter(patch__in=patches).select_related("patch__producer", "policy_version__policy")
    rows = rows.defer("patch__wargaming_log")
    pending, replaced = Q(status=Status.PENDING), Q(status=Status.SUPERSEDED, channel=Channel.INTAKE)
    shown = [name for name in names if name in every] + [name for name in every if name not in names]
    return Candidates(shown, rows.filter(pending), rows.exclude(pending | replaced))


def _patches(names: list[str]) -> QuerySet[Patch]:
    """Return the newest patches that have one of these names, up to `MOST_FOUND`."""
    return Patch.objects.filter(vulnerability_ids__overlap=names).order_by("-pk")[:MOST_FOUND]
