"""The one way a decision leaves pending: row, text and audit entry in the caller's transaction."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from approvals.models import Bypass, Category, Channel, DeciderKind, Decision, Priority, Status, Text, User
from audit.log import Actor, NewEntry, Subject, text_digest
from postgresql.statements import query_prepared

END_DECISION_SQL = """
update approvals_decision
set status = %(status)s, decided_by_kind = %(decided_by_kind)s, decided_by = %(decided_by)s,
    decided_by_user_id = %(decided_by_user_id)s, decided_at = %(decided_at)s, channel = %(channel)s, cause = %(cause)s,
    reason_id = %(reason_id)s, category = %(category)s, approvals = %(approvals)s, bypass_id = %(bypass_id)s
where id = %(id)s and status = 'pending' returning id
"""


def subject(decision: Decision) -> Subject:
    """Return the audit subject of a decision whose row the caller holds locked."""
    return Subject("decision", str(decision.decision_id), decision.patch.label, chained=True)


def policy_ref(decision: Decision) -> dict[str, Any]:
    """Return the policy version as entries name it; the caller selected it with the decision."""
    version = decision.policy_version
    return {"version": f"{version.policy.name}@{version.version}", "sha256": version.sha256}


def end(
    decision: Decision,
    status: Status,
    *,
    actor: Actor,
    now: datetime,
    kind: DeciderKind,
    channel: Channel,
    cause: str,
    user: User | None = None,
    text: Text | None = None,
    category: Category | str = "",
    data: dict[str, Any] | None = None,
    bypass: Bypass | None = None,
) -> NewEntry:
    """End a locked pending decision with this status and return the entry, which the caller records last. `bypass` is
    the locked emergency bypass under which it was approved.

    The UPDATE checks again that it is pending: a caller who forgot the lock gets a RuntimeError instead of overwriting.
    """
    decision.status, decision.decided_by_kind, decision.decided_by = status, kind, actor.label
    decision.decided_by_user, decision.decided_at, decision.channel = user, now, channel
    decision.cause, decision.reason, decision.category, decision.bypass = cause, text, category, bypass
    if not query_prepared(END_DECISION_SQL, vars(decision)):
        raise RuntimeError(f"decision {decision.decision_id} ended although its row was locked")
    urgency = Priority(decision.priority).name.lower()
    details: dict[str, Any] = {"channel": str(channel), "cause": cause, "priority": urgency}
    if text is not None:
        details["reason"] = commitment(text)
    if category:
        details["category"] = str(category)
    return NewEntry(
        f"decision.{status}",
        actor,
        subject(decision),
        details | (data or {}),
        decision.patch.sha256,
        policy_ref(decision),
    )


def end_all(
    decisions: Sequence[Decision],
    status: Status,
    *,
    actor: Actor,
    now: datetime,
    kind: DeciderKind,
    channel: Channel,
    cause: str,
    data: Sequence[dict[str, Any]],
) -> list[NewEntry]:
    """End locked pending decisions alike in one statement; return the entries, which the caller records."""
    rows = Decision.objects.filter(pk__in=[decision.pk for decision in decisions], status=Status.PENDING)
    written = rows.update(
        status=status, decided_by_kind=kind, decided_by=actor.label, decided_at=now, channel=channel, cause=cause
    )
    if written != len(decisions):
        raise RuntimeError("a decision ended although its row was locked")
    shared = {"channel": str(channel), "cause": cause}
    return [
        NewEntry(
            f"decision.{status}",
            actor,
            subject(decision),
            shared | {"priority": Priority(decision.priority).name.lower()} | own,
            decision.patch.sha256,
            policy_ref(decision),
        )
        for decision, own in zip(decisions, data, strict=True)
    ]


def commitment(text: Text) -> dict[str, str | int]:
    """Return how an entry refers to free text: by its row, digest and length, never by its words."""
    body = text.body or ""
    return {"text": text.pk, "sha256": text_digest(bytes(text.salt), body), "characters": len(body)}
