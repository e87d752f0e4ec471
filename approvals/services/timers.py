"""What timers do to pending decisions: remind, escalate, and at the end of the time do what the policy says.

Each step takes up to `limit` due decisions whose rows nobody has locked, with a fixed number of queries, and returns
how many it took: 0 when nothing is left. Two workers never take the same row. A step that comes late acts once, with
its delay in the entry.
"""

from collections import defaultdict
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from django.db import transaction

from approvals.models import (
    NO_DEADLINE,
    AutoApproval,
    Channel,
    DeciderKind,
    Decision,
    ExpireAction,
    PatchView,
    Priority,
    Severity,
    Status,
)
from approvals.policy.severity import effective_severity
from approvals.policy.timeouts import no_approval_by_time, reminder_times
from approvals.queries.facts import CveFacts, cve_facts
from approvals.queries.same_lines import refused_before
from audit.log import Actor, NewEntry, record_all
from audit.models import ActorKind

from .automatic import policy_actor
from .clocks import plan_reminders
from .decision_lock import decisions_to_change, lock_free_decisions
from .ending import end_all, policy_ref, subject
from .escalation import RAISED, chain_people, raise_level, raise_to_leads
from .killswitch import runs_now

EXPIRY = Actor(id="timer:expiry", kind=ActorKind.TIMER, label="expiry timer")
ESCALATION = Actor(id="timer:escalation", kind=ActorKind.TIMER, label="escalation timer")
REMINDER = Actor(id="timer:reminder", kind=ActorKind.TIMER, label="reminder timer")
IN_TIME = "Nobody decided in time"
APPROVED = "The time ended and the policy approves low severity"


def remind_due(now: datetime, limit: int = 200) -> int:
    """Write one reminder for every pending decision whose reminder is due; one whose time has ended gets none."""
    with transaction.atomic():
        due = _lock_due(limit, remind_at__lte=now, expire_at__gt=now)
        entries = [_remind(decision, now) for decision in due]
        _save(due, ["reminders", "remind_at"])
        record_all(entries, at=now)
    return len(due)


def escalate_due(now: datetime, limit: int = 200) -> int:
    """Escalate every pending decision that waited too long by one level; not one whose time has ended."""
    with transaction.atomic():
        due = _lock_due(limit, escalate_at__lte=now, expire_at__gt=now)
        patches = [decision.patch_id for decision in due]
        opened = set(PatchView.objects.filter(patch__in=patches).values_list("patch_id", flat=True)) if due else set()
        pseudonyms = chain_people(due)
        entries = [
            raise_level(
                decision,
                ESCALATION,
                at=decision.escalate_at,
                now=now,
                cause="Nobody decided within the escalation time",
                pseudonyms=pseudonyms,
                opened=decision.patch_id in opened,
            )
            for decision in due
        ]
        _save(due, RAISED)
        record_all(entries, at=now)
    return len(due)


def expire_due(now: datetime, limit: int = 200) -> int:
    """Do what the policy says for the end of the time: expire, give the leads one more period, or approve what is low
    in every respect. A decision that may not be approved expires."""
    with transaction.atomic():
        due = _lock_due(limit, expire_at__lte=now)
        refused, candidates, enabled = _with_refusals(due), _candidates(due), bool(due) and runs_now()
        extended: list[Decision] = []
        entries: list[NewEntry] = []
        ends: dict[End, list[Decision]] = defaultdict(list)
        for decision in due:
            if decision.expire_action == ExpireAction.ESCALATE and decision.policy_version.expire_after_seconds:
                entries.append(_extend_once(decision, now))
                extended.append(decision)
            else:
                ends[_end_of(decision, decision.pk in refused, candidates, enabled)].append(decision)
        _save(extended, ["escalation_level", "asked", "expire_at", "expire_action", "remind_at", "reminders"])
        for end, decisions in ends.items():
            entries += end_all(
                decisions,
                end.status,
                actor=end.actor,
                now=now,
                kind=end.kind,
                channel=Channel.TIMER,
                cause=end.cause,
                data=[_lateness(decision.expire_at, now, expire_at=decision.expire_at) for decision in decisions],
            )
        record_all(entries, at=now, wake=bool(ends))
    return len(due)


@dataclass(frozen=True, slots=True)
class End:
    """How a decision ends when its time does; equal ends are written with one statement."""

    status: Status
    cause: str
    kind: DeciderKind = DeciderKind.TIMER
    actor: Actor = field(default=EXPIRY)


def _end_of(decision: Decision, refused: bool, candidates: dict[str, CveFacts], enabled: bool) -> End:
    version, patch = decision.policy_version, decision.patch
    if ExpireAction.APPROVE not in {decision.expire_action, version.expire_action}:
        return End(Status.EXPIRED, IN_TIME)
    if decision.expire_action != version.expire_action:
        return End(Status.EXPIRED, f"{IN_TIME}; not approved, because it is not as it was when its time began")
    named = [candidates[name] for name in patch.vulnerability_ids if name in candidates]
    why_not = no_approval_by_time(
        decision.expire_action,
        sent=patch.severity,
        effective=effective_severity(Severity(patch.effective_severity), None, [fact.severity for fact in named]),
        priority=Priority(decision.priority),
        enforced=version.auto_approval == AutoApproval.ENFORCE,
        others=max((fact.pending - 1 for fact in named), default=0),
        trace=decision.trace,
        known_exploited=patch.known_exploited,
        manual_review=patch.requires_manual_review,
        enabled=enabled,
        objected=refused,
        trusted=patch.producer.trusted_for_ml and patch.producer.trusted_for_wargaming,
    )
    if why_not:
        return End(Status.EXPIRED, f"{IN_TIME}; not approved, because {why_not}")
    return End(Status.AUTO_APPROVED, APPROVED, DeciderKind.POLICY, policy_actor(version))


def _extend_once(decision: Decision, now: datetime) -> NewEntry:
    """Give people one more period, counted from now, because the worker may come late; return the entry."""
    due = decision.expire_at
    decision.expire_at = now + timedelta(seconds=decision.policy_version.expire_after_seconds or 0)
    decision.expire_action = ExpireAction.EXPIRE
    plan_reminders(decision, now)
    data = _lateness(due, now, expire_at=decision.expire_at)
    return raise_to_leads(decision, EXPIRY, cause="The time ended; the leads have one more period", data=data)


def _remind(decision: Decision, now: datetime) -> NewEntry:
    version, due = decision.policy_version, decision.remind_at
    times = reminder_times(decision.created_at, decision.expire_at, version.reminder_percents)
    decision.reminders += 1
    decision.remind_at = times[decision.reminders] if decision.reminders < len(times) else NO_DEADLINE
    data = _lateness(due, now, n=decision.reminders, of=len(times), expire_at=decision.expire_at)
    return NewEntry("decision.reminded", REMINDER, subject(decision), data, decision.patch.sha256, policy_ref(decision))


def _lateness(due: datetime, now: datetime, **data: Any) -> dict[str, Any]:
    return {"due": due, "delay_seconds": int((now - due).total_seconds()), **data}


def _with_refusals(due: list[Decision]) -> set[int]:
    """Return the keys of those that could be approved by time but that people refused, by now and under any name."""
    patches = [decision.patch for decision in due if decision.expire_action == ExpireAction.APPROVE]
    refused = {patch.pk for patch in refused_before(patches)}
    return {decision.pk for decision in due if decision.patch_id in refused}


def _candidates(due: list[Decision]) -> dict[str, CveFacts]:
    """Return the facts of each CVE of those that could be approved by time; one query, none if there are none."""
    approvable = [decision for decision in due if decision.expire_action == ExpireAction.APPROVE]
    return cve_facts({cve for decision in approvable for cve in decision.patch.vulnerability_ids})


def _lock_due(limit: int, **due: datetime) -> list[Decision]:
    """Lock and return pending decisions that are due; rows that somebody has locked to decide are skipped."""
    rows = decisions_to_change().select_related("patch__producer").filter(status=Status.PENDING, **due)
    return lock_free_decisions(rows, limit)


def _save(decisions: list[Decision], columns: list[str]) -> None:
    if decisions:
        Decision.objects.bulk_update(decisions, columns)
