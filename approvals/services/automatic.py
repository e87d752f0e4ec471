"""Approval without a person, under a policy that is enforced."""

from dataclasses import replace
from datetime import datetime

from approvals.models import Channel, DeciderKind, Decision, ExpireAction, Patch, PolicyVersion, Status
from approvals.policy.evaluate import AutoApprovalResult, Situation, auto_approval, gate_approval
from approvals.queries.same_lines import refused_before
from audit.log import Actor, NewEntry
from audit.models import ActorKind

from .ending import end
from .gates import GateTerms
from .killswitch import runs_now


def policy_actor(version: PolicyVersion) -> Actor:
    """Return the audit actor for what a policy does by itself."""
    return Actor(f"policy:{version.policy_id}@{version.version}", ActorKind.POLICY, str(version)[:150])


def judge(patch: Patch, gate: GateTerms | None, version: PolicyVersion, situation: Situation) -> AutoApprovalResult:
    """Judge a new patch or workflow gate by the conditions for approval without a person; one query where it could be
    approved so, now or at the end of its time: no machine overrules people who refused it before."""

    def result(situation: Situation) -> AutoApprovalResult:
        if gate:
            return gate_approval(gate.outcomes, version, situation)
        return auto_approval(patch, version, situation)

    first = result(situation)
    matters = first.does or first.would or version.expire_action == ExpireAction.APPROVE
    return result(replace(situation, refused=True)) if matters and refused_before([patch]) else first


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
