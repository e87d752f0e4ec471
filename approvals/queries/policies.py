"""The policies in force."""

from functools import lru_cache

from django.db import connection

from approvals.models import PolicyVersion

CURRENT = """
select version.id, version.sha256, policy.name
from approvals_policy policy join approvals_policyversion version on version.id = policy.current_id
where policy.enabled order by policy.position
"""


def current_versions() -> list[PolicyVersion]:
    """Return the current version of every enabled policy, in the order they are asked; one narrow query.

    What a version says is read once a process: a trigger refuses any change of it, and its digest is in the key.
    """
    with connection.cursor() as cursor:
        cursor.execute(CURRENT)
        return list(_versions(tuple(cursor.fetchall())))


ONE = """
select version.id, version.sha256, policy.name
from approvals_policyversion version join approvals_policy policy on policy.id = version.policy_id
where version.id = %s
"""


def version_of(key: int) -> PolicyVersion:
    """Return one version with its policy; one narrow query, for what a decision was pinned to."""
    with connection.cursor() as cursor:
        cursor.execute(ONE, [key])
        return _versions(tuple(cursor.fetchall()))[0]


@lru_cache(maxsize=64)
def _versions(current: tuple[tuple[int, str, str], ...]) -> list[PolicyVersion]:
    found = PolicyVersion.objects.select_related("policy").in_bulk([key for key, _, _ in current])
    return [found[key] for key, _, _ in current]
