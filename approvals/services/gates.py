"""Workflow gates at intake: a gate's terms may tighten its policy, never loosen it. Intake does the rest."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from approvals.errors import Invalid
from approvals.models import Decision, ExpireAction, Gate, Patch
from approvals.policy.evaluate import Outcome
from approvals.policy.quorum import Approver, missing
from approvals.queries.people import accounts_named, approvers, ids_by_name, reviewers

SLA_WARNING = 0.8  # the share of a shortened SLA that has passed when the card begins to warn


@dataclass(frozen=True, slots=True)
class GateTerms:
    """The terms of a workflow gate: who may decide it and until when. `document` is the request as canonical JSON;
    `allowed` are user names and e-mail addresses, case-folded."""

    workflow_id: str
    job_id: str
    execution_id: str
    document: bytes
    timeout: timedelta | None = None
    escalates: bool = False
    min_approvers: int = 1
    all_approvers: bool = False
    allowed: tuple[str, ...] = ()
    outcomes: tuple[Outcome, ...] = ()  # of the conditions in the request

    @property
    def names(self) -> tuple[str, str, str]:
        return self.workflow_id, self.job_id, self.execution_id

    @property
    def recorded(self) -> dict[str, Any]:
        """Return what the audit entry of a submission has in addition for a gate."""
        return {
            "kind": "gate",
            "workflow_id": self.workflow_id,
            "job_id": self.job_id,
            "execution_id": self.execution_id,
            "named_approvers": len(self.allowed),
        }


def as_row(terms: GateTerms, patch: Patch) -> Gate:
    """Return the gate's row, to be inserted after its patch."""
    return Gate(
        patch=patch,
        workflow_id=terms.workflow_id,
        job_id=terms.job_id,
        execution_id=terms.execution_id,
        allowed_approvers=list(terms.allowed),
        document=terms.document.decode(),
    )


def tighten(decision: Decision, terms: GateTerms, now: datetime) -> None:
    """Apply to a new decision what its gate asks beyond the policy: more approvals, less time.

    Raise Invalid if the people it names could never approve it. A gate is never approved because its time ends.
    """
    _ask_for_people(decision, terms)
    if decision.expire_action == ExpireAction.APPROVE:
        decision.expire_action = ExpireAction.EXPIRE
    if terms.timeout is None:
        return
    end = now + terms.timeout
    if terms.escalates:
        decision.escalate_at = min(decision.escalate_at, end)
    elif end < decision.expire_at:
        decision.expire_at, decision.expire_action = end, ExpireAction.EXPIRE
        _shorten_sla(decision, now)


def _ask_for_people(decision: Decision, terms: GateTerms) -> None:
    policy = decision.policy_version
    decision.required_approvals = max(policy.required_approvals, terms.min_approvers)
    if not terms.allowed:
        if terms.min_approvers > policy.required_approvals:
            _refuse_too_few_reviewers(decision)
        return
    ids = ids_by_name(terms.allowed)
    people = len(set(ids.values()))
    if terms.all_approvers:
        if unknown := [name for name in terms.allowed if name not in ids]:
            raise _nobody(f"All of them must approve, and nobody here is called {', '.join(unknown)}.")
        decision.required_approvals = max(decision.required_approvals, people)
    if people < decision.required_approvals:
        raise _nobody(
            f"{decision.required_approvals} approvals are required (policy {policy.policy.name}), and {people} of "
            f"these names {'is somebody' if people == 1 else 'are people'} here."
        )
    _refuse_if_not_enough_can(decision, ids)


def _refuse_too_few_reviewers(decision: Decision) -> None:
    able = _able_approvers(decision, reviewers().values_list("pk", flat=True))
    if len(able) < decision.required_approvals:
        raise _nobody(
            f"Nobody could decide this gate: {decision.required_approvals} approvals are required, and {len(able)} of "
            "the people here can approve it.",
            "require_min_approvers",
        )


def _refuse_if_not_enough_can(decision: Decision, ids: dict[str, int]) -> None:
    """Raise Invalid if the approvals of all named people who may approve would not be enough."""
    able = _able_approvers(decision, ids.values())
    lacking = missing(able, decision.required_approvals, decision.required_groups)
    if not lacking:
        return
    starters, able_ids = _starters(decision), {approver.id for approver in able}
    why = [f"{name} started or submitted it" for name, pk in ids.items() if pk in starters]
    why += [f"{name} may not decide" for name, pk in ids.items() if pk not in starters | able_ids]
    reasons = f" ({'; '.join(why)})" if why else ""
    raise _nobody(
        f"Nobody could decide this gate: {decision.required_approvals} approvals are required, and {len(able)} of "
        f"those named can approve{reasons}. It would still need {' and '.join(lacking)}."
    )


def _able_approvers(decision: Decision, people: Iterable[int]) -> list[Approver]:
    """Return those of these people who may approve: reviewers who decide under its policy and did not start it."""
    starters = _starters(decision)
    able = approvers(people, deciders=decision.policy_version.decider_groups)
    return [approver for approver in able if approver.id not in starters]


def _starters(decision: Decision) -> set[int]:
    return {account.id for account in accounts_named([decision.patch.submitted_by, decision.patch.triggered_by])}


def _shorten_sla(decision: Decision, now: datetime) -> None:
    """End the SLA no later than the time to decide, so that the card counts down to the earlier of the two."""
    if decision.sla_due_at > decision.expire_at:
        decision.sla_due_at = decision.expire_at
        decision.sla_warn_at = min(decision.sla_warn_at, now + SLA_WARNING * (decision.expire_at - now))


def _nobody(sentence: str, field: str = "allowed_approvers") -> Invalid:
    return Invalid(sentence, field=field, part="body")
