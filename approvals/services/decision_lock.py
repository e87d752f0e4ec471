"""Lock decisions for change: whoever changes one, or writes an entry of its chain, holds its row.

All take locks in one order, so that no two wait for each other: the names of an intake, then decisions by their key,
then an emergency bypass. A caller that waited for a lock reads the row as the previous one left it, so the rules judge
its present state.
"""

from uuid import UUID

from django.db.models import QuerySet

from approvals.errors import NotFound
from approvals.models import Decision, Patch
from approvals.policy.rules import ROLES
from approvals.queries.decisions import DECISIONS
from approvals.queries.policies import version_of
from postgresql.row_reader import Joined, RowReader

PATCH_FOR_VERDICT = RowReader(
    Patch,
    "id",
    "kind",
    "producer",
    "patch_id",
    "revision",
    "sha256",
    "cve_ids",
    "aliases",
    "vulnerability_ids",
    "package_name",
    "ecosystem",
    "repository",
    "current_version",
    "change_sha256",
    "change_files_sha256",
    "mark_codes",
    *ROLES,
)
"""The columns of a decision's patch that the rules and the log read."""
DECISION_FOR_VERDICT = RowReader(
    Decision,
    "id",
    "decision_id",
    "patch",
    "status",
    "decided_by",
    "decided_by_user",
    "decided_at",
    "channel",
    "cause",
    "reason",
    "category",
    "priority",
    "policy_version",
    "required_approvals",
    "required_groups",
    "approvals",
    "bypass",
    "expire_at",
)
"""The columns of a decision that a verdict reads."""
LOCKED_DECISION = """
select {columns}, version.sha256, policy.name
from approvals_decision decision
join approvals_patch patch on patch.id = decision.patch_id
join approvals_policyversion version on version.id = decision.policy_version_id
join approvals_policy policy on policy.id = version.policy_id
where decision.decision_id = %s for update of decision
"""
WHOLE_SQL = Joined(LOCKED_DECISION, decision=DECISIONS, patch=PATCH_FOR_VERDICT)
FOR_VERDICT_SQL = Joined(LOCKED_DECISION, decision=DECISION_FOR_VERDICT, patch=PATCH_FOR_VERDICT)


def lock_decision(decision_id: UUID, statement: Joined = WHOLE_SQL) -> Decision:
    """Return the decision with its row locked until the transaction ends; `FOR_VERDICT_SQL` reads less of it. Raise
    NotFound."""
    for decision, decision.patch, sha256, policy in statement.read([decision_id]):
        decision.policy_version = version_of(decision.policy_version_id, sha256, policy)
        return decision  # type: ignore[no-any-return]
    raise NotFound("There is no such decision.")


def lock_decisions(rows: QuerySet[Decision]) -> list[Decision]:
    """Lock and return all these decisions; wait for those that somebody else has locked."""
    return list(rows.select_for_update(of=("self",)).order_by("id"))


def lock_free_decisions(rows: QuerySet[Decision], limit: int) -> list[Decision]:
    """Lock and return the first of these decisions that nobody has locked."""
    return list(rows.select_for_update(of=("self",), skip_locked=True).order_by("id")[:limit])


def decisions_to_change() -> QuerySet[Decision]:
    """Return decisions with what their entries say of patch and policy; lazily, in no order."""
    rows = Decision.objects.select_related("patch", "policy_version__policy")
    return rows.defer("patch__wargaming_log")  # up to 1 MiB a row
