"""Approval without a person, under a policy that is enforced."""

from datetime import datetime

from approvals.models import Channel, DeciderKind, Decision, PolicyVersion, Status
from audit.log import Actor, NewEntry
from audit.models import ActorKind

from .ending import end
from .killswitch import runs_now


def policy_actor(version: PolicyVersion) -> Actor:
    """Return the actor of what a policy does without a person."""
    return Actor(f"policy:{version.policy_id}@{version.version}", ActorKind.POLICY, str(version)[:150])


def approve_by_policy(decision: Decision, *, now: datetime) -> NewEntry | None:
    """End a decision that was just inserted and meets every condition, and return the entry to record; None when the
    switch was thrown since its trace was made: then it waits for a person."""
    if not runs_now():
        return None
    version = decision.policy_version
    return end(
        decision,
        Status.AUTO_APPROVED,
        actor=policy_actor(version),
        now=now,
        kind=DeciderKind.POLICY,
        channel=Channel.INTAKE,
        cause=f"Every condition of {version} is met",
        data={"trace": decision.trace},
    )
