"""The policies in force."""

from collections.abc import Iterable
from functools import lru_cache

from approvals.models import PolicyVersion
from postgresql.statements import query_prepared

CURRENT_VERSIONS_SQL = """
select version.id, version.sha256, policy.name
from approvals_policy policy join approvals_policyversion version on version.id = policy.current_id
where policy.enabled order by policy.position
"""


def current_versions() -> list[PolicyVersion]:
    """Return the current version of every enabled policy, in the order in which they are tried; one narrow query."""
    return versions_of(query_prepared(CURRENT_VERSIONS_SQL))


def versions_of(found: Iterable[tuple[int, str, str]]) -> list[PolicyVersion]:
    """Return the versions with these keys and digests, of the policies that have these names now.

    The rows of a version are read once a process: a trigger refuses any change of them, and the cache key has their
    digest.
    """
    return list(_versions(tuple(found)))


def version_of(key: int, sha256: str, policy: str) -> PolicyVersion:
    """Return the version with this key and digest, of the policy that has this name now; one query a process."""
    return versions_of([(key, sha256, policy)])[0]


@lru_cache(maxsize=64)
def _versions(current: tuple[tuple[int, str, str], ...]) -> list[PolicyVersion]:
    found = PolicyVersion.objects.select_related("policy").in_bulk([key for key, _, _ in current])
    return [found[key] for key, _, _ in current]
