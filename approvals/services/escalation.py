"""One step up a decision's levels of escalation: what changes on the row, and the entry that says so."""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any

from approvals.models import Decision
from approvals.policy.terms import named_in
from approvals.policy.timeouts import LEADS, next_step
from approvals.queries.people import pseudonyms_of
from audit.log import Actor, NewEntry

from .clocks import is_timed
from .ending import policy_ref, subject

RAISED = ["escalation_level", "escalation_next", "escalate_at", "asked"]
"""The columns `raise_level` sets."""


def raise_level(
    decision: Decision,
    actor: Actor,
    *,
    at: datetime,
    now: datetime,
    cause: str,
    pseudonyms: Mapping[str, str],
    opened: bool = False,
    data: dict[str, Any] | None = None,
) -> NewEntry:
    """Raise a locked decision on the object and return its entry; the caller saves and records.

    `at` is when this step was due, from which the next one counts. A level that is only for what nobody has opened
    is passed over when `opened`. `pseudonyms` are those of `chain_people`, by which the entry names them.
    """
    chain, before = decision.policy_version.escalation, decision.escalation_next
    step = next_step(
        chain,
        level=decision.escalation_level,
        next_level=decision.escalation_next,
        at=at,
        opened=opened,
        timed=is_timed(decision),
    )
    decision.escalation_next, decision.escalate_at = step.next_level, step.next_at
    said: dict[str, Any] = {"cause": cause, "delay_seconds": int((now - at).total_seconds()), **(data or {})}
    if not step.asked:
        return _line("decision.escalation_skipped", decision, actor, {**said, "cause": "Somebody opened the patch"})
    said |= _ask(decision, step.asked)
    people = chain[before].get("people", []) if step.next_level > before else []
    if not people:
        return _line("decision.escalated", decision, actor, said)
    groups = step.asked[: len(step.asked) - len(people)]
    named = {"asked": [*groups, *(pseudonyms.get(name, "user:unknown") for name in people)]}
    return replace(_line("decision.escalated", decision, actor, said | named), aside={"asked": step.asked})


def chain_people(decisions: Iterable[Decision]) -> dict[str, str]:
    """Return the pseudonyms of everybody whom the escalation of these decisions may ask; one query, none for nobody."""
    return pseudonyms_of({name for one in decisions for name in named_in(one.policy_version.escalation, "people")})


def raise_to_leads(decision: Decision, actor: Actor, *, cause: str, data: dict[str, Any]) -> NewEntry:
    """Ask the security leads, whatever level comes next in the chain; the chain goes on as it was."""
    return _line("decision.escalated", decision, actor, {"cause": cause, **data} | _ask(decision, [LEADS]))


def _ask(decision: Decision, asked: list[str]) -> dict[str, Any]:
    decision.escalation_level += 1
    decision.asked = [*decision.asked, *(name for name in asked if name not in decision.asked)]
    return {"level": decision.escalation_level, "asked": asked}


def _line(type: str, decision: Decision, actor: Actor, data: dict[str, Any]) -> NewEntry:
    return NewEntry(type, actor, subject(decision), data, decision.patch.sha256, policy_ref(decision))
