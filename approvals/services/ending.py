"""The one way a decision leaves pending: row, text and audit entry in the caller's transaction."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from approvals.models import Bypass, Category, Channel, DeciderKind, Decision, Patch, Priority, Status, Text, User
from approvals.policy.rules import ROLES
from approvals.queries.decisions import DECISIONS
from approvals.queries.policies import version_of
from approvals.queries.row_reader import RowReader, split_row
from audit.log import Actor, NewEntry, Subject, text_digest
from audit.statements import query_prepared

PATCHES = RowReader(
    Patch,
    "id",
    "kind",
    "producer",
    "patch_id",
    "revision",
    "sha256",
    "cve_ids",
    "vulnerability_ids",
    "package_name",
    "ecosystem",
    "repository",
    "current_version",
    "change_sha256",
    "change_files_sha256",
    "mark_codes",
    *ROLES,
)
"""The columns of a decision's patch that the rules and the log read."""
DECISION_FOR_VERDICT = RowReader(
    Decision,
    "id",
    "decision_id",
    "patch",
    "status",
    "decided_by",
    "decided_by_user",
    "decided_at",
    "channel",
    "cause",
    "reason",
    "category",
    "priority",
    "policy_version",
    "required_approvals",
    "required_groups",
    "approvals",
    "bypass",
    "expire_at",
)
"""The columns of a decision that a verdict reads."""

END_COLUMNS = (
    "status",
    "decided_by_kind",
    "decided_by",
    "decided_by_user_id",
    "decided_at",
    "channel",
    "cause",
    "reason_id",
    "category",
    "approvals",
    "bypass_id",
)
END_DECISION_SQL = f"""
update approvals_decision set {", ".join(f"{column} = %({column})s" for column in END_COLUMNS)}
where id = %(id)s and status = 'pending' returning id
"""  # noqa: S608  our own names
FROM_LOCKED_DECISION_SQL = """
from approvals_decision
join approvals_patch on approvals_patch.id = approvals_decision.patch_id
join approvals_policyversion version on version.id = approvals_decision.policy_version_id
join approvals_policy policy on policy.id = version.policy_id
where decision_id = %s for update of approvals_decision
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
    if not query_prepared(END_DECISION_SQL, {column: getattr(decision, column) for column in ("id", *END_COLUMNS)}):
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


def locked(decision_id: UUID, decisions: RowReader[Decision] = DECISIONS) -> Decision:
    """Return the decision with its row locked until the transaction ends; `decisions` reads some columns, or all by
    default. Raise Decision.DoesNotExist.

    A caller that waited for the lock reads the row as the previous one left it, so the rules judge its present state.
    """
    rows = query_prepared(
        f"select {decisions.columns}, {PATCHES.columns}, version.sha256, policy.name {FROM_LOCKED_DECISION_SQL}",
        [decision_id],
    )
    if not rows:
        raise Decision.DoesNotExist
    [[*row, sha256, policy]] = rows
    decision, decision.patch = split_row(row, decisions, PATCHES)
    decision.policy_version = version_of(decision.policy_version_id, sha256, policy)
    return decision  # type: ignore[no-any-return]
