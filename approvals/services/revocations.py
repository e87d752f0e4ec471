"""After the decision: revoke many approvals at once, and record which deployers have acted on a feed entry."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

import uuid6
from django.db import transaction

from approvals.accounts.services.owners import demand_own
from approvals.errors import Conflict, Invalid, NotAllowed
from approvals.models import Acknowledgement, ApiToken, Decision, Revocation, Status, Text, TokenKind, User
from approvals.permissions import LEAD_DECISION
from approvals.queries.people import reviewer_from_db
from approvals.queries.revocable import APPROVED, MOST, Approvals, changed_since, item, listed
from audit.log import Actor, NewEntry, Subject, record, record_all

from .decision_lock import decisions_to_change, lock_decision, lock_decisions
from .deployers import keep_acknowledged
from .ending import commitment, policy_ref, subject
from .reasons import check_reason

CHUNK = 200


@dataclass(frozen=True, slots=True)
class ShownApprovals:
    """The list of approvals that the lead saw: its digest, how many it had, and when it was shown."""

    digest: str
    count: int
    at: datetime


@dataclass(frozen=True, slots=True)
class RevocationResult:
    """The result: the id of this revocation of many, how many it revoked, and how many somebody had revoked before."""

    id: UUID
    revoked: int
    skipped: int


def revoke_all(
    wanted: Approvals,
    reason: str,
    *,
    shown: ShownApprovals,
    criteria: dict[str, Any],
    user: User,
    actor: Actor,
    now: datetime,
) -> RevocationResult:
    """Revoke every approval on the list that the lead saw, in transactions of CHUNK, each with its audit entry.

    `criteria` says in words what the list was narrowed to, for the log. Raise NotAllowed, Invalid (no reason, no
    criterion, too many) or Conflict (the list has changed since it was shown); then nothing is revoked.
    """
    if LEAD_DECISION not in reviewer_from_db(user, actor.authn).permissions:
        raise NotAllowed("Only security leads revoke approvals.")
    demand_own(user)
    body = check_reason(reason)
    if not wanted.named():
        raise Invalid("Name a model version, a policy version, a producer or a reviewer.")
    approvals = listed(wanted)
    if len(approvals.keys) > MOST:
        raise Invalid(f"At most {MOST:,} approvals are revoked at once; choose a shorter time.")
    if approvals.digest != shown.digest:
        raise Conflict(_changed(wanted, shown, len(approvals.keys)))
    if not approvals.keys:
        raise Invalid("There is no approval to revoke.")
    batch, revoked = UUID(str(uuid6.uuid7())), 0
    with transaction.atomic():
        text = Text.objects.create(body=body)
        reason_ref = commitment(text)
        record(
            "revocation.ordered",
            actor=actor,
            at=now,
            subject=Subject("revocation", str(batch), "revocation"),
            data={
                "approvals": len(approvals.keys),
                "list_sha256": approvals.digest,
                "criteria": criteria,
                "reason": reason_ref,
            },
        )
    for start in range(0, len(approvals.keys), CHUNK):
        with transaction.atomic():
            revoked += _revoke(approvals.keys[start : start + CHUNK], text, batch, user=user, actor=actor, now=now)
    result = RevocationResult(batch, revoked, len(approvals.keys) - revoked)
    with transaction.atomic():
        record(
            "revocation.made",
            actor=actor,
            at=now,
            subject=Subject("revocation", str(batch), "revocation"),
            data={
                "revoked": result.revoked,
                "already_revoked": result.skipped,
                "criteria": criteria,
                "reason": reason_ref,
            },
        )
    return result


def acknowledge(decision_id: UUID, position: int, *, token: ApiToken | None, actor: Actor, now: datetime) -> Decision:
    """Record that a deployer has acted on one entry of the feed; a repeated call changes nothing.

    Raise NotFound, NotAllowed (no deployer) or Invalid (the position is not of this decision).
    """
    if token is None or token.kind != TokenKind.DEPLOYER:
        raise NotAllowed("Only a deployer acknowledges what it has acted on.")
    with transaction.atomic():
        decision = lock_decision(decision_id)
        entry = item(decision, position)
        if entry is None:
            sentence = f"Position {position} of the feed is not about this decision."
            raise Invalid(sentence, field="position", part="body")
        _, created = Acknowledgement.objects.get_or_create(
            feed_entry=entry, deployer=token.name, defaults={"token": token, "acknowledged_at": now}
        )
        if created:
            keep_acknowledged(token.name, position)
            record(
                "decision.acknowledged",
                actor=actor,
                at=now,
                subject=subject(decision),
                patch_sha256=decision.patch.sha256,
                data={"position": position, "status": entry.status},
            )
    return decision


def _revoke(keys: Sequence[int], text: Text, batch: UUID, *, user: User, actor: Actor, now: datetime) -> int:
    """Revoke those of these approvals that are still in force; waits for locked rows."""
    rows = lock_decisions(decisions_to_change().filter(pk__in=keys, status__in=APPROVED))
    Revocation.objects.bulk_create(
        Revocation(decision=row, revoked_by=actor.label, revoked_by_user=user, reason=text, revoked_at=now)
        for row in rows
    )
    Decision.objects.filter(pk__in=[row.pk for row in rows]).update(status=Status.REVOKED)
    data = {"reason": commitment(text), "revocation": str(batch)}
    record_all(
        [NewEntry("decision.revoked", actor, subject(row), data, row.patch.sha256, policy_ref(row)) for row in rows],
        at=now,
        wake=True,
    )
    return len(rows)


def _changed(wanted: Approvals, shown: ShownApprovals, count: int) -> str:
    """Return, in words, how the approvals differ from the list that was shown."""
    added, revoked = changed_since(wanted, shown.at)
    parts = [f"You looked at {shown.count:,} approvals, now {count:,} match."]
    for rows, change in ((added, "Approved since"), (revoked, "Revoked since")):
        if rows:
            parts.append(f"{change}: {', '.join(row.patch.vulnerability or row.patch.patch_id for row in rows)}.")
    return " ".join([*parts, "Nothing was revoked; look at the list as it is now."])
