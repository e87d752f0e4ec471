"""Approval without a person, under a policy that is enforced."""

from datetime import datetime

from approvals.models import Channel, DeciderKind, Decision, PolicyVersion, Status
from audit.log import Actor, NewEntry
from audit.models import ActorKind

from .ending import end
from .killswitch import runs_now


def policy_actor(version: PolicyVersion) -> Actor:
    """Return the audit actor for what a policy does by itself."""
    return Actor(f"policy:{version.policy_id}@{version.version}", ActorKind.POLICY, str(version)[:150])


def approve_by_policy(decision: Decision, *, now: datetime) -> NewEntry | None:
    """Approve a decision that was just inserted and meets every condition; return the entry to record. Return None when
    automatic approval was stopped after the trace was made: then the decision waits for a person."""
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
