"""What happens to a decision besides reviews: escalate, extend, cancel, supersede, revoke, new KEV data."""

from datetime import datetime, timedelta
from uuid import UUID

from django.db import transaction

from approvals.accounts.services.owners import demand_own
from approvals.errors import Conflict, Invalid, NotAllowed, moment
from approvals.models import (
    NO_DEADLINE,
    Channel,
    DeciderKind,
    Decision,
    ExpireAction,
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
from approvals.permissions import LEAD_DECISION, REVIEW_DECISION
from approvals.policy.evaluate import KNOWN_EXPLOITED, covering
from approvals.policy.severity import priority as priority_of
from approvals.queries.decision_facts import current, outcome
from approvals.queries.facts import condition_facts
from approvals.queries.people import reviewer_from_db
from approvals.queries.policies import current_versions
from audit.log import Actor, NewEntry, record, record_all

from .clocks import CLOCKS, clocks, is_timed, plan_reminders
from .decision_lock import decisions_to_change, lock_decision, lock_decisions
from .ending import commitment, end, policy_ref, subject
from .escalation import RAISED, chain_people, raise_level
from .reasons import check_reason
from .refusals import audit_decision_refusal
from .submitters import is_known, required_groups

LONGEST = timedelta(days=30)
"""The most that the time to decide may reach into the future after an extension."""


def escalate(
    decision_id: UUID, reason: str, *, user: User, actor: Actor, now: datetime, channel: Channel = Channel.PAGE
) -> Decision:
    """Escalate a decision by one level; any reviewer may. Raise NotFound, NotAllowed, Conflict or Invalid."""
    body = check_reason(reason)
    with audit_decision_refusal(decision_id, "escalate", actor=actor, now=now, channel=channel), transaction.atomic():
        decision = lock_decision(decision_id)
        _demand(user, actor, REVIEW_DECISION, "Only reviewers and leads escalate.")
        _demand_pending(decision)
        text = Text.objects.create(body=body)
        entry = raise_level(
            decision,
            actor,
            at=now,
            now=now,
            cause="A person asked",
            pseudonyms=chain_people([decision]),
            data={"reason": commitment(text)},
        )
        decision.save(update_fields=RAISED)
        record_all([entry], at=now)
    return decision


def extend(
    decision_id: UUID,
    seconds: int,
    reason: str,
    *,
    user: User,
    actor: Actor,
    now: datetime,
    channel: Channel = Channel.PAGE,
) -> Decision:
    """Add that many seconds to the time to decide; only leads may. Raise NotFound, NotAllowed, Conflict or Invalid."""
    body = check_reason(reason)
    with audit_decision_refusal(decision_id, "extend", actor=actor, now=now, channel=channel), transaction.atomic():
        decision = lock_decision(decision_id)
        _demand(user, actor, LEAD_DECISION, "Only security leads give more time.")
        _demand_pending(decision)
        before = decision.expire_at
        if before == NO_DEADLINE:
            raise Conflict("It has no time limit to extend. Nothing was changed.", current=current(decision))
        if before <= now:
            sentence = f"The time to decide ended at {moment(before)}. Nothing was changed."
            raise Conflict(sentence, current=current(decision))
        longest = int((now + LONGEST - before).total_seconds())
        if not 1 <= seconds <= longest:
            sentence = (
                f"The time may end at most 30 days from now: add 1 to {longest:,} seconds."
                if longest > 0
                else "The time already ends in 30 days; it may not be longer."
            )
            raise Invalid(sentence, field="seconds", part="body")
        decision.expire_at = before + timedelta(seconds=seconds)
        plan_reminders(decision, now)
        decision.save(update_fields=["expire_at", "remind_at", "reminders"])
        record(
            "decision.extended",
            actor=actor,
            at=now,
            subject=subject(decision),
            patch_sha256=decision.patch.sha256,
            policy=policy_ref(decision),
            data={
                "from": before,
                "to": decision.expire_at,
                "seconds": seconds,
                "reason": commitment(Text.objects.create(body=body)),
            },
        )
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
    body = check_reason(reason)
    with audit_decision_refusal(decision_id, "cancel", actor=actor, now=now, channel=channel), transaction.atomic():
        decision = lock_decision(decision_id)
        if producer is None or producer.pk != decision.patch.producer_id:
            _demand(user, actor, LEAD_DECISION, "Only the patch's producer or a security lead cancels it.")
        _demand_pending(decision)
        entry = end(
            decision,
            Status.CANCELLED,
            actor=actor,
            now=now,
            kind=DeciderKind.HUMAN if user else DeciderKind.SERVICE,
            channel=channel,
            cause="Cancelled by a lead" if user else "Cancelled by its producer",
            user=user,
            text=Text.objects.create(body=body),
        )
        record_all([entry], at=now, wake=True)
    return decision


def revoke(
    decision_id: UUID, reason: str, *, user: User, actor: Actor, now: datetime, channel: Channel = Channel.PAGE
) -> Decision:
    """Revoke an approval; only leads may. Raise NotFound, NotAllowed, Conflict (not approved) or Invalid."""
    body = check_reason(reason)
    with audit_decision_refusal(decision_id, "revoke", actor=actor, now=now, channel=channel), transaction.atomic():
        decision = lock_decision(decision_id)
        _demand(user, actor, LEAD_DECISION, "Only security leads revoke an approval.")
        if decision.status not in {Status.APPROVED, Status.AUTO_APPROVED}:
            present_state = outcome(decision) or "It is still pending."
            raise Conflict(
                f"Only an approval can be revoked. {present_state} Nothing was changed.", current=current(decision)
            )
        text = Text.objects.create(body=body)
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


def supersede(decision: Decision, by: Patch, *, actor: Actor, now: datetime) -> NewEntry:
    """End a locked pending decision, and with it its approvals, because its producer sent a new revision; return the
    entry to record."""
    return end(
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

    Waits for rows that somebody has locked to decide.
    """
    raised = 0
    with transaction.atomic():
        Patch.objects.filter(vulnerability_ids__overlap=cve_ids, known_exploited=False).update(known_exploited=True)
        versions = current_versions()
        affected = decisions_to_change().filter(status=Status.PENDING, patch__vulnerability_ids__overlap=cve_ids)
        for decision in lock_decisions(affected.select_related("patch__producer")):
            patch = decision.patch
            new_priority = priority_of(
                Severity(patch.effective_severity), known_exploited=True, requested=patch.requested_priority or None
            )
            if new_priority > decision.priority:
                _raise_priority(decision, new_priority, versions, actor, now)
                raised += 1
    return raised


def _raise_priority(
    decision: Decision, new_priority: Priority, versions: list[PolicyVersion], actor: Actor, now: datetime
) -> None:
    """Put a decision under the policy of its new priority, which may ask for more people and less time, never for fewer
    or more. Imported decisions have no clocks and get none."""
    before, patch = Priority(decision.priority), decision.patch
    version = covering(versions, condition_facts(patch, patch.producer.name, new_priority))
    decision.priority, decision.policy_version, decision.would_auto_approve = new_priority, version, False
    decision.required_approvals = max(decision.required_approvals, version.required_approvals)
    decision.required_groups = sorted({*decision.required_groups, *required_groups(version, is_known(version, patch))})
    decision.trace = [
        {**row, **KNOWN_EXPLOITED} if row["text"] == KNOWN_EXPLOITED["text"] else row for row in decision.trace
    ]
    decision.escalation_next = 0
    if ExpireAction.APPROVE in {decision.expire_action, version.expire_action}:  # never looser, and no second period
        decision.expire_action = version.expire_action if version.expire_action != ExpireAction.APPROVE else "expire"
    if is_timed(decision):
        for clock, at in clocks(version, now).items():
            setattr(decision, clock, min(getattr(decision, clock), at))
        plan_reminders(decision, now)
    decision.save(
        update_fields=[
            "priority",
            "policy_version",
            "would_auto_approve",
            "required_approvals",
            "required_groups",
            "trace",
            "expire_action",
            "escalation_next",
            "remind_at",
            "reminders",
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
            "to": new_priority.name.lower(),
            "cause": "known exploited",
            "required_approvals": decision.required_approvals,
            "required_groups": decision.required_groups,
        },
    )


def _demand(user: User | None, actor: Actor, permission: str, sentence: str) -> None:
    if user is None or permission not in reviewer_from_db(user, actor.authn).permissions:
        raise NotAllowed(sentence)
    demand_own(user)


def _demand_pending(decision: Decision) -> None:
    if decision.status != Status.PENDING:
        raise Conflict(f"{outcome(decision)} Nothing was changed.", current=current(decision))
