"""What makes a policy let more through, or with less looking; such changes need a second person. Pure."""

from collections.abc import Iterator
from typing import Any

from approvals.models import AutoApproval, ExpireAction

Terms = dict[str, Any]


def loosens(old: Terms, new: Terms, old_place: Terms, new_place: Terms) -> list[str]:
    """Return why a change lets more through, one sentence each; empty when it only asks for more.

    `old` and `new` are a version's terms, the places hold name, position and enabled. What covers nothing before and
    after loosens nothing. A condition or a place that changes moves patches between policies, so it always counts.
    """
    if not old_place["enabled"] and not new_place["enabled"]:
        return []
    return [*_coverage(old, new, old_place, new_place), *_people(old, new), *_machine(old, new)]


def _coverage(old: Terms, new: Terms, old_place: Terms, new_place: Terms) -> Iterator[str]:
    if old_place["enabled"] and not new_place["enabled"]:
        yield "It is switched off: its patches fall to the policies after it."
    if new_place["enabled"] and not old_place["enabled"]:
        yield "It is switched on: it takes patches that other policies cover now."
    elif old_place["position"] != new_place["position"]:
        yield "Its place changes: patches move between policies."
    if old["match"].strip() != new["match"].strip():
        yield "Its condition changes: patches move between policies."


def _people(old: Terms, new: Terms) -> Iterator[str]:
    if new["required_approvals"] < old["required_approvals"]:
        yield f"Fewer approvals: {new['required_approvals']} instead of {old['required_approvals']}."
    if dropped := set(old["required_groups"]) - set(new["required_groups"]):
        yield f"No approval from {', '.join(sorted(dropped))} is asked for any more."
    if old.get("known_submitter") and not new.get("known_submitter"):
        yield "What somebody unknown here submitted no longer needs a security lead."
    deciders = set(new["decider_groups"])
    if old["decider_groups"] and (not deciders or deciders - set(old["decider_groups"])):
        yield "More people may decide."
    if new["deny_threshold"] > old["deny_threshold"]:
        yield f"{new['deny_threshold']} people must reject instead of {old['deny_threshold']}."
    # Terms kept before there was this one say nothing of it.
    if old.get("second_factor") and not new.get("second_factor"):
        yield "Approving no longer asks for a second factor."
    if old["step_up"] and not new["step_up"] and not new.get("second_factor"):
        yield "Approving no longer asks for a fresh sign-in."


def _machine(old: Terms, new: Terms) -> Iterator[str]:
    enforced, before = (terms["auto_approval"] == AutoApproval.ENFORCE for terms in (new, old))
    if enforced and not before:
        yield "Patches that meet every condition are approved without a person."
    if enforced and before and float(new["auto_approve_threshold"]) < float(old["auto_approve_threshold"]):
        yield f"The threshold falls from {old['auto_approve_threshold']} to {new['auto_approve_threshold']}."
    if enforced and before and new["spot_check_percent"] < old["spot_check_percent"]:
        yield f"Fewer spot checks: {new['spot_check_percent']} % instead of {old['spot_check_percent']} %."
    if enforced and before and new["location_slack"] > old["location_slack"]:
        before_and_now = (
            f"{new['location_slack']} lines outside the declared locations instead of {old['location_slack']}"
        )
        yield f"Changes may lie {before_and_now}."
    if enforced and before and (more := set(new["allowed_marks"]) - set(old["allowed_marks"])):
        yield f"Patches with these marks may be approved without a person: {', '.join(sorted(more))}."
    if enforced and new["gate_conditions"] and not (before and old["gate_conditions"]):
        yield "Workflow gates whose own conditions hold are approved without a person."
    if new["expire_action"] == ExpireAction.APPROVE != old["expire_action"]:
        yield "Patches that nobody decides in time are approved."
