"""What the clock does to decisions nobody makes: remind, escalate, and what the policy says for the end of the time.

Each step takes up to `limit` due decisions whose rows nobody holds, with the same number of queries whatever their
number, and returns how many it took: 0 when nothing is left. Two workers never take the same row, and a step that
comes late does what was due once, with its delay in the entry.
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
    Review,
    Status,
    Verdict,
)
from approvals.policy.timeouts import no_approval_by_time, reminder_times
from approvals.queries.facts import CveFacts, cve_facts
from audit.log import Actor, NewEntry, record_all
from audit.models import ActorKind

from .automatic import policy_actor
from .clocks import plan_reminders
from .ending import end_all, policy_ref, subject
from .escalation import RAISED, chain_people, raise_level, raise_to_leads
from .killswitch import runs_now

EXPIRY = Actor(id="timer:expiry", kind=ActorKind.TIMER, label="expiry timer")
ESCALATION = Actor(id="timer:escalation", kind=ActorKind.TIMER, label="escalation timer")
REMINDER = Actor(id="timer:reminder", kind=ActorKind.TIMER, label="reminder timer")
IN_TIME = "Nobody decided in time"
APPROVED = "The time ended and the policy approves low severity"


def remind_due(now: datetime, limit: int = 200) -> int:
    """Write one reminder for every pending decision that is due one; what has run out of time gets none."""
    with transaction.atomic():
        due = _take(limit, remind_at__lte=now, expire_at__gt=now)
        lines = [_remind(decision, now) for decision in due]
        _save(due, ["reminders", "remind_at"])
        record_all(lines, at=now)
    return len(due)


def escalate_due(now: datetime, limit: int = 200) -> int:
    """Raise every pending decision that waited too long by one level; what has run out of time is not raised."""
    with transaction.atomic():
        due = _take(limit, escalate_at__lte=now, expire_at__gt=now)
        patches = [decision.patch_id for decision in due]
        opened = set(PatchView.objects.filter(patch__in=patches).values_list("patch_id", flat=True)) if due else set()
        pseudonyms = chain_people(due)
        lines = [
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
        record_all(lines, at=now)
    return len(due)


def expire_due(now: datetime, limit: int = 200) -> int:
    """Do what the policy says for the end of the time: expire, ask the leads for one more period, or approve what is
    low in every respect. Whatever may not be approved expires."""
    with transaction.atomic():
        due = _take(limit, expire_at__lte=now)
        refused, others, enabled = _refused(due), _others(due), bool(due) and runs_now()
        raised: list[Decision] = []
        lines: list[NewEntry] = []
        ends: dict[End, list[Decision]] = defaultdict(list)
        for decision in due:
            if decision.expire_action == ExpireAction.ESCALATE and decision.policy_version.expire_after_seconds:
                lines.append(_once_more(decision, now))
                raised.append(decision)
            else:
                ends[_end_of(decision, decision.pk in refused, others, enabled)].append(decision)
        _save(raised, ["escalation_level", "asked", "expire_at", "expire_action", "remind_at", "reminders"])
        for how, decisions in ends.items():
            lines += end_all(
                decisions,
                how.status,
                actor=how.actor,
                now=now,
                kind=how.kind,
                channel=Channel.TIMER,
                cause=how.cause,
                data=[_lateness(decision.expire_at, now, expire_at=decision.expire_at) for decision in decisions],
            )
        record_all(lines, at=now, wake=bool(ends))
    return len(due)


@dataclass(frozen=True, slots=True)
class End:
    """How a decision ends when its time does; decisions that end alike are written together."""

    status: Status
    cause: str
    kind: DeciderKind = DeciderKind.TIMER
    actor: Actor = field(default=EXPIRY)


def _end_of(decision: Decision, refused: bool, others: dict[str, CveFacts], enabled: bool) -> End:
    version, patch = decision.policy_version, decision.patch
    if ExpireAction.APPROVE not in {decision.expire_action, version.expire_action}:
        return End(Status.EXPIRED, IN_TIME)
    says_so = decision.expire_action == version.expire_action
    why_not = no_approval_by_time(
        decision.expire_action if says_so else ExpireAction.EXPIRE,
        sent=patch.severity,
        effective=patch.effective_severity,
        priority=Priority(decision.priority),
        enforced=version.auto_approval == AutoApproval.ENFORCE,
        others=max((others[cve].pending - 1 for cve in patch.vulnerability_ids if cve in others), default=0),
        trace=decision.trace,
        known_exploited=patch.known_exploited,
        manual_review=patch.requires_manual_review,
        enabled=enabled,
        objected=refused,
    )
    if why_not:
        return End(Status.EXPIRED, f"{IN_TIME}; not approved, because {why_not}")
    return End(Status.AUTO_APPROVED, APPROVED, DeciderKind.POLICY, policy_actor(version))


def _once_more(decision: Decision, now: datetime) -> NewEntry:
    """Give people one more period, counted from now: while no worker ran they could not decide."""
    before = decision.expire_at
    decision.expire_at = now + timedelta(seconds=decision.policy_version.expire_after_seconds or 0)
    decision.expire_action = ExpireAction.EXPIRE
    plan_reminders(decision, now)
    data = _lateness(before, now, expire_at=decision.expire_at)
    return raise_to_leads(decision, EXPIRY, cause="The time ended; the leads have one more period", data=data)


def _remind(decision: Decision, now: datetime) -> NewEntry:
    version, due = decision.policy_version, decision.remind_at
    times = reminder_times(decision.created_at, decision.expire_at, version.reminder_percents)
    decision.reminders += 1
    decision.remind_at = times[decision.reminders] if decision.reminders < len(times) else NO_DEADLINE
    said = _lateness(due, now, n=decision.reminders, of=len(times), expire_at=decision.expire_at)
    return NewEntry("decision.reminded", REMINDER, subject(decision), said, decision.patch.sha256, policy_ref(decision))


def _lateness(due: datetime, now: datetime, **data: Any) -> dict[str, Any]:
    return {"due": due, "delay_seconds": int((now - due).total_seconds()), **data}


def _refused(due: list[Decision]) -> set[int]:
    """Return those that somebody refused while more refusals were awaited."""
    asked = [decision.pk for decision in due if decision.expire_action == ExpireAction.APPROVE]
    if not asked:
        return set()
    live = Review.objects.filter(decision__in=asked, withdrawn_at=None).exclude(verdict=Verdict.APPROVE)
    return set(live.values_list("decision_id", flat=True))


def _others(due: list[Decision]) -> dict[str, CveFacts]:
    """Return what waits for each CVE of those that could be approved by time; one query, none where there are none."""
    asked = [decision for decision in due if decision.expire_action == ExpireAction.APPROVE]
    return cve_facts({cve for decision in asked for cve in decision.patch.vulnerability_ids})


def _take(limit: int, **due: datetime) -> list[Decision]:
    """Lock and return pending decisions that are due. Rows somebody decides right now are left to them."""
    return list(
        Decision.objects.select_for_update(of=("self",), skip_locked=True)
        .select_related("patch", "policy_version__policy")
        .defer("patch__wargaming_log")  # up to 1 MiB a row
        .filter(status=Status.PENDING, **due)
        .order_by("id")[:limit]
    )


def _save(decisions: list[Decision], columns: list[str]) -> None:
    if decisions:
        Decision.objects.bulk_update(decisions, columns)
