"""Workflow gates at intake: what a gate asks may tighten its policy, never loosen it. Intake does the rest."""

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
class Asked:
    """What a workflow asks of the people who decide its gate. `document` is the whole request as canonical JSON;
    `allowed` are user names and e-mail addresses, folded."""

    workflow_id: str
    job_id: str
    execution_id: str
    document: bytes
    timeout: timedelta | None = None
    escalates: bool = False
    min_approvers: int = 1
    all_approvers: bool = False
    allowed: tuple[str, ...] = ()
    outcomes: tuple[Outcome, ...] = ()  # of the conditions it was sent with

    @property
    def names(self) -> tuple[str, str, str]:
        return self.workflow_id, self.job_id, self.execution_id

    @property
    def recorded(self) -> dict[str, Any]:
        """Return what the audit entry of its submission says beside what it says of every patch."""
        return {
            "kind": "gate",
            "workflow_id": self.workflow_id,
            "job_id": self.job_id,
            "execution_id": self.execution_id,
            "named_approvers": len(self.allowed),
        }


def as_row(asked: Asked, patch: Patch) -> Gate:
    """Return the row to insert beside its patch."""
    return Gate(
        patch=patch,
        workflow_id=asked.workflow_id,
        job_id=asked.job_id,
        execution_id=asked.execution_id,
        allowed_approvers=list(asked.allowed),
        document=asked.document.decode(),
    )


def tighten(decision: Decision, asked: Asked, now: datetime) -> None:
    """Put on a new decision what its gate asks beyond the policy: more people, less time.

    Raise Invalid when the people it names could never approve it. A policy that lets time approve does not do so here.
    """
    _ask_for_people(decision, asked)
    if decision.expire_action == ExpireAction.APPROVE:
        decision.expire_action = ExpireAction.EXPIRE
    if asked.timeout is None:
        return
    end = now + asked.timeout
    if asked.escalates:
        decision.escalate_at = min(decision.escalate_at, end)
    elif end < decision.expire_at:
        decision.expire_at, decision.expire_action = end, ExpireAction.EXPIRE
        _hurry(decision, now)


def _ask_for_people(decision: Decision, asked: Asked) -> None:
    policy = decision.policy_version
    decision.required_approvals = max(policy.required_approvals, asked.min_approvers)
    if not asked.allowed:
        if asked.min_approvers > policy.required_approvals:
            _refuse_more_than_there_are(decision)
        return
    known = ids_by_name(asked.allowed)
    people = len(set(known.values()))
    if asked.all_approvers:
        if unknown := [name for name in asked.allowed if name not in known]:
            raise _nobody(f"All of them must approve, and nobody here is called {', '.join(unknown)}.")
        decision.required_approvals = max(decision.required_approvals, people)
    if people < decision.required_approvals:
        raise _nobody(
            f"{decision.required_approvals} approvals are required (policy {policy.policy.name}), and {people} of "
            f"these names {'is somebody' if people == 1 else 'are people'} here."
        )
    _refuse_those_who_cannot(decision, known)


def _refuse_more_than_there_are(decision: Decision) -> None:
    able = _able(decision, reviewers().values_list("pk", flat=True))
    if len(able) < decision.required_approvals:
        raise _nobody(
            f"Nobody could decide this gate: {decision.required_approvals} approvals are required, and {len(able)} of "
            "the people here can approve it.",
            "require_min_approvers",
        )


def _refuse_those_who_cannot(decision: Decision, known: dict[str, int]) -> None:
    """Raise Invalid where it would not be approved if all those named approved it who can."""
    able = _able(decision, known.values())
    lacking = missing(able, decision.required_approvals, decision.required_groups)
    if not lacking:
        return
    own, can = _starters(decision), {one.id for one in able}
    why = [f"{name} started or submitted it" for name, pk in known.items() if pk in own]
    why += [f"{name} may not decide" for name, pk in known.items() if pk not in own | can]
    said = f" ({'; '.join(why)})" if why else ""
    raise _nobody(
        f"Nobody could decide this gate: {decision.required_approvals} approvals are required, and {len(able)} of "
        f"those named can approve{said}. It would still need {' and '.join(lacking)}."
    )


def _able(decision: Decision, people: Iterable[int]) -> list[Approver]:
    """Return those of these people who may approve: reviewers who decide under its policy and did not start it."""
    own = _starters(decision)
    return [one for one in approvers(people, deciders=decision.policy_version.decider_groups) if one.id not in own]


def _starters(decision: Decision) -> set[int]:
    return {one.id for one in accounts_named([decision.patch.submitted_by, decision.patch.triggered_by])}


def _hurry(decision: Decision, now: datetime) -> None:
    """Let the SLA end with the time to decide, so that the card counts down to the earlier of the two."""
    if decision.sla_due_at > decision.expire_at:
        decision.sla_due_at = decision.expire_at
        decision.sla_warn_at = min(decision.sla_warn_at, now + SLA_WARNING * (decision.expire_at - now))


def _nobody(sentence: str, field: str = "allowed_approvers") -> Invalid:
    return Invalid(sentence, field=field, part="body")
