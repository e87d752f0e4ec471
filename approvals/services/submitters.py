"""What a policy asks of who submitted a patch: a known account, or a security lead's approval."""

from approvals.models import Patch, PolicyVersion
from approvals.policy.submitters import all_in
from approvals.queries.people import accounts_named

LEADS = "security-leads"


def is_known(version: PolicyVersion, patch: Patch) -> bool:
    """Return whether everybody named as having submitted or triggered a patch has an active account, and somebody is
    named; one query, none under a version that does not ask."""
    if not version.known_submitter:
        return True
    given = [value for value in (patch.submitted_by, patch.triggered_by) if value]
    found = frozenset[str]().union(*(one.names for one in accounts_named(given) if one.active))
    return bool(given) and all(all_in(value) <= found for value in given)


def required_groups(version: PolicyVersion, known: bool) -> list[str]:
    """Return the groups that an approval must come from under a version, with the leads for an unknown submitter."""
    return version.required_groups if known else sorted({*version.required_groups, LEADS})
