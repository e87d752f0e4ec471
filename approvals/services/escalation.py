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
    """Escalate a locked decision by one level, on the object only, and return the entry; the caller saves and records.

    `at` is when this level was due; the time to the next one counts from it. A level for patches that nobody has
    opened is skipped when `opened`. `pseudonyms`, from `chain_people`, stand for user names in the entry.
    """
    chain, level_before = decision.policy_version.escalation, decision.escalation_next
    step = next_step(
        chain,
        level=decision.escalation_level,
        next_level=decision.escalation_next,
        at=at,
        opened=opened,
        timed=is_timed(decision),
    )
    decision.escalation_next, decision.escalate_at = step.next_level, step.next_at
    details: dict[str, Any] = {"cause": cause, "delay_seconds": int((now - at).total_seconds()), **(data or {})}
    if not step.asked:
        return _new_entry(
            "decision.escalation_skipped", decision, actor, {**details, "cause": "Somebody opened the patch"}
        )
    details |= _ask_names(decision, step.asked)
    people = chain[level_before].get("people", []) if step.next_level > level_before else []
    if not people:
        return _new_entry("decision.escalated", decision, actor, details)
    groups = step.asked[: len(step.asked) - len(people)]
    named = {"asked": [*groups, *(pseudonyms.get(name, "user:unknown") for name in people)]}
    return replace(_new_entry("decision.escalated", decision, actor, details | named), aside={"asked": step.asked})


def chain_people(decisions: Iterable[Decision]) -> dict[str, str]:
    """Return, by user name, the pseudonyms of all whom these decisions' escalations may ask; one query at most."""
    return pseudonyms_of(
        {name for decision in decisions for name in named_in(decision.policy_version.escalation, "people")}
    )


def raise_to_leads(decision: Decision, actor: Actor, *, cause: str, data: dict[str, Any]) -> NewEntry:
    """Ask the security leads and return the entry; the levels of the policy's chain stay as they were."""
    return _new_entry("decision.escalated", decision, actor, {"cause": cause, **data} | _ask_names(decision, [LEADS]))


def _ask_names(decision: Decision, names: list[str]) -> dict[str, Any]:
    decision.escalation_level += 1
    decision.asked = [*decision.asked, *(name for name in names if name not in decision.asked)]
    return {"level": decision.escalation_level, "asked": names}


def _new_entry(type: str, decision: Decision, actor: Actor, data: dict[str, Any]) -> NewEntry:
    return NewEntry(type, actor, subject(decision), data, decision.patch.sha256, policy_ref(decision))
