"""What must hold in the database after any race or crash, each as one query that finds what breaks it."""

from typing import Any, Protocol

from hitl.backup_checks import FAULTS


class Cursor(Protocol):
    """Django's cursor or psycopg's own: the soak tests look into another process's database."""

    def execute(self, query: str) -> Any: ...
    def fetchall(self) -> list[tuple[Any, ...]]: ...


ENDS = """
select id, object_id, substr(type, 10) as status from audit_entry
where type in ('decision.approved', 'decision.auto_approved', 'decision.rejected', 'decision.changes_requested',
               'decision.expired', 'decision.cancelled', 'decision.superseded', 'decision.revoked')
"""

RULES: dict[str, str] = FAULTS | {
    "an entry has its change": f"""
        select object_id, ended.status from ({ENDS}) ended
        where not exists (
            select from approvals_decision decision where decision_id::text = object_id and (
                decision.status = ended.status
                or (decision.status = 'revoked' and ended.status in ('approved', 'auto_approved'))))""",
    "a decision ends once": f"""
        select object_id, count(*) from ({ENDS}) ended where status <> 'revoked' group by 1 having count(*) > 1
        union all
        select object_id, count(*) from ({ENDS}) ended where status = 'revoked' group by 1 having count(*) > 1""",
    "a patch has its content or what a gate asked, its decision and its entry": """
        select patch.id, patch.patch_id from approvals_patch patch
        left join approvals_patchcontent content on content.patch_id = patch.id
        left join approvals_gate gate on gate.patch_id = patch.id
        left join approvals_decision decision on decision.patch_id = patch.id
        where num_nonnulls(content.patch_id, gate.patch_id) <> 1 or decision.id is null or 1 <> (
            select count(*) from audit_entry where type = 'patch.submitted' and object_id = decision_id::text)""",
    "a review has its entry, and an entry its review": """
        select decision_id, given, recorded from (
            select decision_id,
                   (select count(*) from approvals_review where decision_id = decision.id) as given,
                   (select count(*) from audit_entry
                    where type = 'review.recorded' and object_id = decision.decision_id::text) as recorded
            from approvals_decision decision) counted
        where given <> recorded""",
    "an approval is of enough people or has a bypass": """
        select decision_id, required_approvals from approvals_decision decision
        where status = 'approved' and bypass_id is null and required_approvals > (
            select count(*) from approvals_review
            where decision_id = decision.id and verdict = 'approve' and withdrawn_at is null)""",
    "a use of a bypass has its entry, and an entry its use": """
        select bypass.id from approvals_bypass bypass
        where (select count(*) from approvals_decision where bypass_id = bypass.id)
            <> (select count(*) from audit_entry
                where type = 'bypass.used' and object_type = 'bypass' and object_id = bypass.id::text)""",
    "a revision has no two pending decisions": """
        select producer_id, patch.patch_id, count(*) from approvals_decision decision
        join approvals_patch patch on patch.id = decision.patch_id
        where status = 'pending' group by 1, 2 having count(*) > 1""",
    "the revisions of a patch are consecutive": """
        select producer_id, patch_id, count(*), max(revision) from approvals_patch
        group by 1, 2 having count(*) <> max(revision)""",
    "an approval stands on the digest that was seen": """
        select review.id from approvals_review review
        join approvals_decision decision on decision.id = review.decision_id
        join approvals_patch patch on patch.id = decision.patch_id
        where review.patch_sha256 <> patch.sha256""",
    "no entry waits for its place": "select entry_id from audit_pending",
    "the feed is gapless": """
        select count(*), max(position) from approvals_feedentry
        having count(*) > 0 and (count(*) <> max(position) or min(position) <> 1)""",
    "the feed is exactly the changes": f"""
        with ended as ({ENDS}), fed as (
            select decision.decision_id::text as object_id, feed.status from approvals_feedentry feed
            join approvals_decision decision on decision.id = feed.decision_id)
        (select object_id, status from ended except all select object_id, status from fed)
        union all
        (select object_id, status from fed except all select object_id, status from ended)""",
}


def faults(cursor: Cursor) -> dict[str, list[tuple[Any, ...]]]:
    """Return the rules that do not hold with the rows that break them; call when the sequencer has caught up."""
    found = {}
    for rule, query in RULES.items():
        cursor.execute(query)
        if rows := cursor.fetchall():
            found[rule] = rows[:5]
    return found
