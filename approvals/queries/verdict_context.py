"""What a verdict is judged by beside the decision itself, read in one statement under the decision's lock."""

from dataclasses import dataclass, replace
from datetime import datetime

from approvals.models import Decision, User
from approvals.policy.holding import why_held
from approvals.policy.rules import Reviewer
from audit.log import NO_ENTRY, Link
from postgresql.statements import query_prepared

from .decision_facts import LiveReview
from .delegations import standing_in
from .people import Membership, as_memberships, reviewer_from_db


@dataclass(frozen=True, slots=True)
class VerdictContext:
    """The person who gives a verdict, with those they stand in for; whether they have opened the patch's page; the live
    reviews; the memberships of all these people; and the end of the decision's chain of audit entries."""

    reviewer: Reviewer
    opened: bool
    live: list[LiveReview]
    memberships: list[Membership]
    last_entry: Link


VERDICT_CONTEXT_SQL = """
with live as (
    select reviewer_id, verdict, delegated_from_id from approvals_review
    where decision_id = %(decision)s and withdrawn_at is null
), absent as (
    select id, email, username, name, other_names, held from approvals_absent
    where delegate_id = %(user)s and starts_at <= %(now)s and ends_at > %(now)s
), membership as (
    select user_id, team, permission from approvals_membership
    where user_id in (select %(user)s union all select reviewer_id from live union all select id from absent)
)
select exists (select from approvals_patchview where patch_id = %(patch)s and user_id = %(user)s),
       (select json_agg(json_build_array(reviewer_id, verdict, delegated_from_id)) from live),
       (select json_agg(json_build_array(id, email, username, name, other_names, held) order by username) from absent),
       (select json_agg(json_build_array(user_id, team, permission)) from membership),
       (select json_build_array(next_n, leaf) from audit_chain_end('decision', %(object)s::text)),
       (select json_build_array(approvals_names(id), held_since, held_for, owner_confirmed_at)
        from approvals_user where id = %(user)s)
"""


def verdict_context(decision: Decision, user: User, authn: str, now: datetime) -> VerdictContext:
    """Return what a verdict of this person is judged by at this moment; one query."""
    [(opened, live, absent, among, last, (other_names, *hold))] = query_prepared(
        VERDICT_CONTEXT_SQL,
        {
            "decision": decision.pk,
            "object": str(decision.decision_id),
            "patch": decision.patch_id,
            "user": user.pk,
            "now": now,
        },
    )
    memberships = as_memberships(among)
    reviewer = reviewer_from_db(user, authn, memberships, standing_in(absent or (), memberships))
    return VerdictContext(
        replace(reviewer, former=frozenset(other_names), held=why_held(*hold)),  # the account was read with the request
        opened,
        [LiveReview(*review) for review in live or ()],
        memberships,
        tuple(last) if last else NO_ENTRY,
    )
