"""What happens to a decision besides reviews: expire, escalate, cancel, supersede, revoke, new KEV data."""

from datetime import datetime
from uuid import UUID

from django.db import transaction

from approvals.errors import Conflict, Invalid, NotAllowed
from approvals.models import (
    NO_DEADLINE,
    Channel,
    DeciderKind,
    Decision,
    Patch,
    PolicyVersion,
    Priority,
    Producer,
    Revocation,
    Severity,
    Status,
    Text,
    User,
)
from approvals.policy.evaluate import KNOWN_EXPLOITED, covering
from approvals.policy.severity import priority as priority_of
from approvals.queries.case import current, outcome
from approvals.queries.facts import condition_facts
from approvals.queries.people import person
from approvals.queries.policies import current_versions
from audit.log import Actor, record
from audit.models import ActorKind

from .clocks import CLOCKS, clocks
from .ending import commitment, end, policy_ref, subject
from .refusals import remembered
from .reviews import MAX_REASON, find_locked

TIMER = Actor(id="timer:expiry", kind=ActorKind.TIMER, label="expiry timer")
ESCALATION = Actor(id="timer:escalation", kind=ActorKind.TIMER, label="escalation timer")
LEAD = "approvals.lead_decision"


def expire_due(now: datetime, limit: int = 200) -> int:
    """End every pending decision whose time is over, up to `limit` in one transaction; return how many.

    Rows that somebody is deciding right now are skipped: their answer or the next tick ends them.
    """
    with transaction.atomic():
        due = list(_pending(expire_at__lte=now)[:limit])
        for decision in due:
            end(
                decision,
                Status.EXPIRED,
                actor=TIMER,
                now=now,
                kind=DeciderKind.TIMER,
                channel=Channel.TIMER,
                cause="Nobody decided in time",
                data={"expire_at": decision.expire_at},
            )
    return len(due)


def escalate_due(now: datetime, limit: int = 200) -> int:
    """Raise every pending decision that waited too long, up to `limit`; return how many."""
    with transaction.atomic():
        due = list(_pending(escalate_at__lte=now)[:limit])
        for decision in due:
            _raise_level(decision, ESCALATION, now, "Nobody decided within the escalation time")
    return len(due)


def escalate(
    decision_id: UUID, reason: str, *, user: User, actor: Actor, now: datetime, channel: Channel = Channel.PAGE
) -> Decision:
    """Ask the security leads to look; any reviewer may. Raise NotFound, NotAllowed, Conflict or Invalid."""
    words = _reason(reason)
    with remembered(decision_id, "escalate", actor=actor, now=now, channel=channel), transaction.atomic():
        decision = find_locked(decision_id)
        _demand(
            person(user, actor.authn).permissions, "approvals.review_decision", "Only reviewers and leads escalate."
        )
        _demand_pending(decision)
        _raise_level(decision, actor, now, "A person asked", Text.objects.create(body=words))
    return decision


def cancel(
    decision_id: UUID,
    reason: str,
    *,
    actor: Actor,
    now: datetime,
    channel: Channel,
    user: User | None = None,
    producer: Producer | None = None,
) -> Decision:
    """End a pending decision on behalf of its producer or of a lead. Raise NotFound, NotAllowed, Conflict, Invalid."""
    words = _reason(reason)
    with remembered(decision_id, "cancel", actor=actor, now=now, channel=channel), transaction.atomic():
        decision = find_locked(decision_id)
        if producer is None or producer.pk != decision.patch.producer_id:
            permissions = person(user, actor.authn).permissions if user else frozenset[str]()
            _demand(permissions, LEAD, "Only the patch's producer or a security lead cancels it.")
        _demand_pending(decision)
        end(
            decision,
            Status.CANCELLED,
            actor=actor,
            now=now,
            kind=DeciderKind.HUMAN if user else DeciderKind.SERVICE,
            channel=channel,
            cause="Cancelled by a lead" if user else "Cancelled by its producer",
            user=user,
            text=Text.objects.create(body=words),
        )
    return decision


def revoke(
    decision_id: UUID, reason: str, *, user: User, actor: Actor, now: datetime, channel: Channel = Channel.PAGE
) -> Decision:
    """Take an approval back. Raise NotFound, NotAllowed, Conflict (not approved) or Invalid."""
    words = _reason(reason)
    with remembered(decision_id, "revoke", actor=actor, now=now, channel=channel), transaction.atomic():
        decision = find_locked(decision_id)
        _demand(person(user, actor.authn).permissions, LEAD, "Only security leads revoke an approval.")
        if decision.status not in {Status.APPROVED, Status.AUTO_APPROVED}:
            said = outcome(decision) or "It is still pending."
            raise Conflict(f"Only an approval can be revoked. {said} Nothing was changed.", current=current(decision))
        text = Text.objects.create(body=words)
        Revocation.objects.create(
            decision=decision, revoked_by=actor.label, revoked_by_user=user, reason=text, revoked_at=now
        )
        Decision.objects.filter(pk=decision.pk).update(status=Status.REVOKED)
        decision.status = Status.REVOKED
        record(
            "decision.revoked",
            actor=actor,
            at=now,
            subject=subject(decision),
            patch_sha256=decision.patch.sha256,
            policy=policy_ref(decision),
            data={"reason": commitment(text)},
        )
    return decision


def supersede(decision: Decision, by: Patch, *, actor: Actor, now: datetime) -> None:
    """End a locked pending decision because its producer sent other content; its approvals fall with it."""
    end(
        decision,
        Status.SUPERSEDED,
        actor=actor,
        now=now,
        kind=DeciderKind.SERVICE,
        channel=Channel.INTAKE,
        cause=f"Revision {by.revision} took its place",
        data={"by_revision": by.revision, "fallen_approvals": decision.approvals},
    )


def raise_priorities(cve_ids: list[str], *, actor: Actor, now: datetime) -> int:
    """Mark patches of newly known-exploited CVEs and raise their pending decisions; return how many were raised.

    Waits for those that somebody is deciding right now.
    """
    raised = 0
    with transaction.atomic():
        Patch.objects.filter(cve_ids__overlap=cve_ids, known_exploited=False).update(known_exploited=True)
        versions = current_versions()
        for decision in _pending(skip_locked=False, patch__cve_ids__overlap=cve_ids):  # nobody looks here again
            patch = decision.patch
            wanted = priority_of(
                Severity(patch.effective_severity), known_exploited=True, requested=patch.requested_priority or None
            )
            if wanted > decision.priority:
                _raise_priority(decision, wanted, versions, actor, now)
                raised += 1
    return raised


def _pending(*, skip_locked: bool = True, **due: object):  # type: ignore[no-untyped-def]  # the plugin's private class
    return (
        Decision.objects.select_for_update(of=("self",), skip_locked=skip_locked)
        .select_related("patch__producer", "policy_version__policy")
        .filter(status=Status.PENDING, **due)
        .order_by("id")
    )


def _raise_level(decision: Decision, actor: Actor, now: datetime, cause: str, text: Text | None = None) -> None:
    decision.escalation_level += 1
    decision.escalate_at = NO_DEADLINE
    decision.save(update_fields=["escalation_level", "escalate_at"])
    record(
        "decision.escalated",
        actor=actor,
        at=now,
        subject=subject(decision),
        patch_sha256=decision.patch.sha256,
        policy=policy_ref(decision),
        data={"level": decision.escalation_level, "cause": cause, "reason": commitment(text) if text else None},
    )


def _raise_priority(
    decision: Decision, wanted: Priority, versions: list[PolicyVersion], actor: Actor, now: datetime
) -> None:
    """Put a decision under the policy of its new priority; that may ask for more people and less time, never for
    fewer or longer. Imported decisions have no clocks and get none."""
    before, patch = Priority(decision.priority), decision.patch
    version = covering(versions, condition_facts(patch, patch.producer.name, wanted))
    decision.priority, decision.policy_version, decision.would_auto_approve = wanted, version, False
    decision.required_approvals = max(decision.required_approvals, version.required_approvals)
    decision.required_groups = sorted({*decision.required_groups, *version.required_groups})
    decision.trace = [
        {**row, **KNOWN_EXPLOITED} if row["text"] == KNOWN_EXPLOITED["text"] else row for row in decision.trace
    ]
    if any(getattr(decision, clock) != NO_DEADLINE for clock in CLOCKS):
        for clock, at in clocks(version, now).items():
            setattr(decision, clock, min(getattr(decision, clock), at))
    decision.save(
        update_fields=[
            "priority",
            "policy_version",
            "would_auto_approve",
            "required_approvals",
            "required_groups",
            "trace",
            *CLOCKS,
        ]
    )
    record(
        "decision.priority_raised",
        actor=actor,
        at=now,
        subject=subject(decision),
        patch_sha256=patch.sha256,
        policy=policy_ref(decision),
        data={
            "from": before.name.lower(),
            "to": wanted.name.lower(),
            "cause": "known exploited",
            "required_approvals": decision.required_approvals,
            "required_groups": decision.required_groups,
        },
    )


def _reason(text: str) -> str:
    if not text.strip():
        raise Invalid("Say why: a reason is required.", errors=[{"loc": ["body", "reason"], "msg": "required"}])
    if len(text) > MAX_REASON:
        raise Invalid(
            f"A reason may have {MAX_REASON:,} characters.", errors=[{"loc": ["body", "reason"], "msg": "too long"}]
        )
    return text.strip()


def _demand(permissions: frozenset[str], wanted: str, sentence: str) -> None:
    if wanted not in permissions:
        raise NotAllowed(sentence)


def _demand_pending(decision: Decision) -> None:
    if decision.status != Status.PENDING:
        raise Conflict(f"{outcome(decision)} Nothing was changed.", current=current(decision))
