"""A decision as the rules see it."""

from collections.abc import Iterable
from datetime import datetime
from typing import NamedTuple

from django.conf import settings
from django.db.models import prefetch_related_objects

from approvals.diff.agreement import AMBIGUOUS
from approvals.models import Channel, Decision, Patch, PolicyVersion, Review, Status, User
from approvals.policy.bypass import Grant
from approvals.policy.outcomes import outcome_sentence
from approvals.policy.rules import ROLES, Change, DecisionFacts


class LiveReview(NamedTuple):
    """A review that is not withdrawn: its reviewer, its verdict, and in whose name it was given."""

    reviewer_id: int
    verdict: str
    delegated_from_id: int | None


class LastChange(NamedTuple):
    """Who gave a decision its present status: the stored label, and the account if it was a person."""

    by: str
    user: User | None
    at: datetime | None
    channel: str

    @property
    def who(self) -> User | str:
        return self.user or self.by


def last_change(decision: Decision) -> LastChange:
    """Return who gave a decision its present status, when, and through which channel ('' where none is stored).

    The row of a revoked decision still says who approved it; who revoked it is in its revocation.
    """
    if decision.status == Status.REVOKED:
        revocation = decision.revocation
        return LastChange(revocation.revoked_by, revocation.revoked_by_user, revocation.revoked_at, "")
    return LastChange(decision.decided_by, decision.decided_by_user, decision.decided_at, decision.channel)


def outcome(decision: Decision) -> str:
    """Return who decided what and when as one sentence; '' while pending."""
    change = last_change(decision)
    sentence = outcome_sentence(decision.status, change.by, change.at, change.channel)
    by_candidate = decision.status == Status.SUPERSEDED and decision.channel != Channel.INTAKE
    return f"{sentence} {decision.cause}." if by_candidate else sentence


def current(decision: Decision) -> dict[str, object]:
    """Return the decision's present state, for the body of a 409."""
    change = last_change(decision)
    return {
        "status": decision.status,
        "decided_by": change.by or None,
        "decided_at": change.at,
        "channel": change.channel or None,
        "patch_sha256": decision.patch.sha256,
    }


def read_gates(patches: Iterable[Patch]) -> None:
    """Load `gate` on those of these patches that are workflow gates; one query, none if there is no gate."""
    prefetch_related_objects([patch for patch in patches if patch.is_gate], "gate")


def people_of(patch: Patch) -> dict[str, str]:
    """Return, by role, the name or address by which a patch names a person."""
    return {role: getattr(patch, role) for role in ROLES}


def change_of(patch: Patch) -> Change | None:
    """Return what a patch changes; None if it changes no line, has no digests yet, or if tools read other changes in
    it: the digests are of what is shown."""
    if patch.change_sha256 is None or patch.change_files_sha256 is None or patch.mark_codes is None:
        return None
    if not AMBIGUOUS.isdisjoint(patch.mark_codes):
        return None
    return Change(patch.change_sha256, patch.change_files_sha256, frozenset(patch.mark_codes))


def asks_for_factor(version: PolicyVersion) -> bool:
    """Return whether a proof of identity needs a second factor, by this policy or by the install's setting."""
    return version.second_factor or bool(settings.SECOND_FACTOR_REQUIRED)


def decision_facts(
    decision: Decision, live: Iterable[Review | LiveReview], bypass: Grant | None = None
) -> DecisionFacts:
    """Return the rules' view of a decision and its live reviews; no query, but one for a gate that is not loaded."""
    live = list(live)
    return DecisionFacts(
        status=decision.status,
        outcome=outcome(decision),
        sha256=decision.patch.sha256,
        priority=decision.priority,
        expire_at=decision.expire_at,
        people=people_of(decision.patch),
        reviewers=frozenset(review.reviewer_id for review in live),
        decider_groups=frozenset(decision.policy_version.decider_groups),
        allowed=frozenset(decision.patch.gate.allowed_approvers) if decision.patch.is_gate else frozenset(),
        voices=frozenset(review.delegated_from_id for review in live if review.delegated_from_id),
        required_groups=frozenset(decision.required_groups),
        step_up=decision.policy_version.asks_again,
        second_factor=asks_for_factor(decision.policy_version),
        bypass=bypass,
        change=change_of(decision.patch),
    )
