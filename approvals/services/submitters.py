"""What a policy asks of who submitted a patch: a known account, or a security lead's approval."""

from approvals.models import Patch, PolicyVersion
from approvals.policy.submitters import all_in
from approvals.queries.people import accounts_named

LEADS = "security-leads"


def is_known(version: PolicyVersion, patch: Patch) -> bool:
    """Return whether somebody is named as having submitted or triggered a patch, and everybody named has an active
    account that is not held; one query, none under a version that does not ask."""
    if not version.known_submitter:
        return True
    names = [name for name in (patch.submitted_by, patch.triggered_by) if name]
    known_names = frozenset[str]().union(*(account.names for account in accounts_named(names) if account.known))
    return bool(names) and all(all_in(name) <= known_names for name in names)


def required_groups(version: PolicyVersion, known: bool) -> list[str]:
    """Return the groups that an approval must come from under a version, with the leads for an unknown submitter."""
    return version.required_groups if known else sorted({*version.required_groups, LEADS})
