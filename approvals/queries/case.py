"""A decision as the rules see it."""

from collections.abc import Iterable

from approvals.errors import moment
from approvals.models import Decision, Review, Status
from approvals.policy.rules import ROLES, Case


def outcome(decision: Decision) -> str:
    """Return who decided what and when as one sentence; '' while pending."""
    if decision.status == Status.PENDING or decision.decided_at is None:
        return ""
    status = Status(decision.status).label
    return f"{status} by {decision.decided_by} at {moment(decision.decided_at)} ({decision.channel})."


def current(decision: Decision) -> dict[str, object]:
    """Return what is so now, for the body of a 409."""
    return {
        "status": decision.status,
        "decided_by": decision.decided_by or None,
        "decided_at": decision.decided_at,
        "channel": decision.channel or None,
        "patch_sha256": decision.patch.sha256,
    }


def case(decision: Decision, live: Iterable[Review]) -> Case:
    """Return the rules' view of a decision and its live reviews; no query."""
    return Case(
        status=decision.status,
        outcome=outcome(decision),
        sha256=decision.patch.sha256,
        priority=decision.priority,
        expire_at=decision.expire_at,
        people={role: getattr(decision.patch, role) for role in ROLES},
        reviewers=frozenset(review.reviewer_id for review in live),
    )
