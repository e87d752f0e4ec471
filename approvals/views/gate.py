"""What the page of a workflow gate shows beside the decision panel: the request, and who decides."""

from typing import Any

from approvals.models import NO_DEADLINE, Comment, Decision
from approvals.policy.evaluate import GATE_OUTCOMES
from approvals.policy.gate_conditions import judged

NOTIFY = {"notify_users": "Notify", "notify_roles": "Notify roles", "notify_channels": "Notify through"}


def section(decision: Decision, said: list[Comment]) -> dict[str, Any]:
    """Return the gate's part of its page's context; a comment belongs to the whole, for there are no lines."""
    gate = decision.patch.gate
    outcomes = [GATE_OUTCOMES[outcome] for outcome in judged(gate.request)]
    return {
        "gate": gate,
        "asked": gate.request,
        "expires": decision.expire_at != NO_DEADLINE,
        "escalate_to": ", ".join(gate.request["escalate_to_users"]),
        "notify": [(label, ", ".join(gate.request[name])) for name, label in NOTIFY.items() if gate.request[name]],
        "conditions": list(zip(gate.request["auto_approve_conditions"], outcomes, strict=True)),
        "by_conditions": decision.policy_version.gate_conditions,
        "comments": [{"comment": one, "outdated": False, "earlier": one.decision_id != decision.pk} for one in said],
    }
