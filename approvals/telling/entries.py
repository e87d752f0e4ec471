"""Tell people what the log says happened: who is told what about each entry. The log is the outbox, so telling costs a
decision nothing, and what was committed is told, once, whoever dies in between."""

import logging
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.db import DatabaseError, transaction
from django.urls import reverse

from approvals.models import Bypass, Decision, Delegation, OutcomeReport, Priority, Proposal, Status, Verdict
from audit.following import Placed, placed_after
from notifications.services import cursors
from notifications.services.notices import News, notify, settle
from postgresql.statements import query

from . import audience
from .audience import Audience

log = logging.getLogger(__name__)

SOURCE = "log"
TOLD_WITHIN = timedelta(hours=24)
"""Older entries are told to nobody: after a long standstill the queue says what is still to do."""


def tell(now: datetime, limit: int = 200) -> int:
    """Tell people about the next entries of the log, up to `limit`, in one transaction; return how many it looked at, 0
    where there are none or somebody else is at it."""
    with transaction.atomic():
        cursor = cursors.lock(SOURCE)
        if cursor is None:
            return 0
        entries = placed_after(cursor.position, TELLERS, limit)
        for entry in entries:
            if entry.data is not None and now - entry.at < TOLD_WITHIN:
                _tell_one(entry, entry.data, now)
        if entries:
            cursors.move(cursor, entries[-1].seq)
    return len(entries)


def _tell_one(entry: Placed, data: dict[str, Any], now: datetime) -> None:
    try:
        with transaction.atomic():
            TELLERS[entry.type](entry, data, now)
    except DatabaseError:
        raise  # tried again, from this entry on
    except Exception:
        # One entry that nobody can be told of must not silence all that follow; the queue and the log have it.
        log.exception("Nobody was told of entry %s, %s", entry.seq, entry.type)


# Only rows whose SLA still runs are read, soonest first.
WARNED_NOW_SQL = """
select decision.decision_id
from approvals_waiting waiting join approvals_decision decision on decision.id = waiting.decision_id
where waiting.sla_due_at > %(now)s and waiting.sla_due_at < %(now)s + interval '1 day'
    and waiting.sla_warn_at <= %(now)s
    and not exists (select from notifications_notice where key = 'urgent:' || decision.decision_id)
order by waiting.sla_due_at limit %(limit)s
"""


def warn_due(now: datetime, limit: int = 200) -> int:
    """Tell people of pending decisions whose SLA ends soon, once each; return how many."""
    rows = query(WARNED_NOW_SQL, {"now": now, "limit": limit})
    for (decision_id,) in rows:
        if decision := _pending(str(decision_id)):
            people = _asked_and_next(decision, now)
            headline = f"{_named(decision)} must be decided soon"
            _tell("urgent", f"urgent:{decision_id}", decision, headline, people, now)
    return len(rows)


def _submitted(entry: Placed, data: dict[str, Any], now: datetime) -> None:
    decision = _pending(entry.object_id)
    if decision is None:
        return
    count = max(settings.NOTIFY_FIRST, decision.required_approvals + 1)
    people = audience.named_by_gate(decision) | audience.next_in_turn(decision, count, now)
    _tell("decision_required", _key(entry), decision, f"{_named(decision)} waits for a decision", people, now)


def _superseded(entry: Placed, data: dict[str, Any], now: datetime) -> None:
    before = _decision(entry.object_id)
    settle(entry.object_id, now=now)
    newest = (
        Decision.objects.filter(patch__producer=before.patch.producer_id, patch__patch_id=before.patch.patch_id)
        .order_by("-patch__revision")
        .first()
    )
    fallen = audience.reviewers_of(before, Verdict.APPROVE)
    if newest is None or newest.pk == before.pk or newest.status != Status.PENDING or not fallen:
        return
    decision = _decision(str(newest.decision_id))
    people = dict.fromkeys(fallen, "you had approved the revision before")
    headline = f"{_named(decision)} has a new revision: your approval was of the one before"
    _tell("approvals_fell", _key(entry), decision, headline, people, now)


def _changes_requested(entry: Placed, data: dict[str, Any], now: datetime) -> None:
    settle(entry.object_id, now=now)
    decision = _decision(entry.object_id)
    people = _but_actor(audience.people_of_patch(decision), entry)
    headline = f"{_named(decision)} needs another revision"
    _tell("changes_requested", _key(entry), decision, headline, people, now, **_by(entry), **_end(data))


def _decided(entry: Placed, data: dict[str, Any], now: datetime) -> None:
    settle(entry.object_id, now=now)
    decision = _decision(entry.object_id)
    people = _but_actor(audience.reviewers_of(decision) | audience.people_of_patch(decision), entry)
    status = Status(entry.type.removeprefix("decision.")).label.lower()
    _tell("decided", _key(entry), decision, f"{_named(decision)} was {status}", people, now, **_by(entry), **_end(data))


def _expired(entry: Placed, data: dict[str, Any], now: datetime) -> None:
    asked = audience.asked_before(entry.object_id)
    settle(entry.object_id, now=now)
    decision = _decision(entry.object_id)
    people = dict.fromkeys(asked, "you were asked to decide it") | audience.people_of_patch(decision)
    headline = f"{_named(decision)} expired: nobody decided in time"
    _tell("expired", _key(entry), decision, headline, people, now, **_end(data))


def _revoked(entry: Placed, data: dict[str, Any], now: datetime) -> None:
    decision = _decision(entry.object_id)
    approved = dict.fromkeys(audience.reviewers_of(decision, Verdict.APPROVE), "you had approved it")
    people = _but_actor(audience.people_of_patch(decision) | approved, entry)
    headline = f"The approval of {_named(decision)} was revoked"
    _tell("revoked", _key(entry), decision, headline, people, now, **_by(entry), **_end(data))


def _escalated(entry: Placed, data: dict[str, Any], now: datetime) -> None:
    decision = _pending(entry.object_id)
    if decision is None:
        return
    named = audience.of_level(data.get("asked", ()))
    people = {pk: named[pk] for pk in audience.still_able(decision, named, now)}
    headline = f"{_named(decision)} was escalated to level {data.get('level', decision.escalation_level)}"
    _tell("escalated", _key(entry), decision, headline, people, now, **_end(data))


def _reminded(entry: Placed, data: dict[str, Any], now: datetime) -> None:
    decision = _pending(entry.object_id)
    if decision is None:
        return
    headline = f"{_named(decision)} still waits: reminder {data.get('n')} of {data.get('of')}"
    _tell("reminder", _key(entry), decision, headline, _asked_and_next(decision, now), now)


def _alarmed(entry: Placed, data: dict[str, Any], now: datetime) -> None:
    decision = _decision(entry.object_id)
    approved = dict.fromkeys(audience.reviewers_of(decision, Verdict.APPROVE), "you had approved it")
    alarm = dict(OutcomeReport._meta.get_field("alarm").choices or ()).get(data.get("alarm"), "Deployment alarm")
    headline = f"{alarm}: {_named(decision)}"
    people = audience.some_leads() | approved
    _tell("deployment_alarm", _key(entry), decision, headline, people, now, **_by(entry), alarm=str(alarm))


def _stand_in(entry: Placed, data: dict[str, Any], now: datetime) -> None:
    delegation = Delegation.objects.filter(pk=entry.object_id).select_related("person").first()
    if delegation is None or delegation.ended_at is not None:
        return
    facts = {
        "headline": f"{delegation.person} asks you to review in their name",
        "link": reverse("absence"),
        "by": str(delegation.person),
        "starts_at": delegation.starts_at.isoformat(),
        "until": delegation.ends_at.isoformat(),
    }
    news = News("stand_in", _key(entry), f"delegation:{delegation.pk}", facts)
    notify(news, {delegation.delegate_id: "they chose you to stand in"}, now=now)


def _proposed(entry: Placed, data: dict[str, Any], now: datetime) -> None:
    proposal = Proposal.objects.filter(pk=entry.object_id, state=Proposal.State.OPEN).first()
    if proposal is None:
        return
    people = audience.some_leads({proposal.proposed_by_id, proposal.person_id or 0})
    facts = {
        "headline": f"A change needs a second person: {proposal.get_kind_display().lower()}, {proposal.about}",
        "link": reverse("policies"),
        **_by(entry),
    }
    notify(News("second_person", _key(entry), f"proposal:{proposal.pk}", facts), people, now=now)


def _bypass_asked(entry: Placed, data: dict[str, Any], now: datetime) -> None:
    bypass = _bypass(entry.object_id)
    if bypass.state != Bypass.State.ASKED:
        return
    people = audience.some_leads({bypass.asked_by_id, bypass.holder_id})
    facts = _bypass_facts(bypass) | _by(entry) | {"headline": f"An emergency bypass needs a second lead: {bypass}"}
    notify(News("second_person", _key(entry), f"bypass:{bypass.pk}", facts, critical=True), people, now=now)


def _bypass_granted(entry: Placed, data: dict[str, Any], now: datetime) -> None:
    settle(f"bypass:{entry.object_id}", now=now)
    bypass = _bypass(entry.object_id)
    people = audience.some_leads() | {bypass.holder_id: "it was granted to you"}
    facts = _bypass_facts(bypass) | _by(entry) | {"headline": f"An emergency bypass was granted: {bypass}"}
    news = News("bypass_granted", _key(entry), f"bypass:{bypass.pk}", facts, critical=True)
    notify(news, _but_actor(people, entry), now=now)


def _bypass_used(entry: Placed, data: dict[str, Any], now: datetime) -> None:
    bypass = _bypass(entry.object_id)
    facts = _bypass_facts(bypass) | _by(entry) | {"headline": f"{bypass.holder} approved alone under a bypass"}
    if decision := data.get("decision"):
        facts |= _facts(_decision(decision))
    news = News("bypass_used", _key(entry), f"bypass:{bypass.pk}", facts, critical=True)
    notify(news, _but_actor(audience.some_leads(), entry), now=now)


def _settle_proposal(entry: Placed, data: dict[str, Any], now: datetime) -> None:
    settle(f"proposal:{entry.object_id}", now=now)


def _settle_bypass(entry: Placed, data: dict[str, Any], now: datetime) -> None:
    settle(f"bypass:{entry.object_id}", now=now)


Teller = Callable[[Placed, dict[str, Any], datetime], None]
TELLERS: dict[str, Teller] = {
    "patch.submitted": _submitted,
    "decision.superseded": _superseded,
    "decision.changes_requested": _changes_requested,
    "decision.approved": _decided,
    "decision.auto_approved": _decided,
    "decision.rejected": _decided,
    "decision.cancelled": _decided,
    "decision.expired": _expired,
    "decision.revoked": _revoked,
    "decision.escalated": _escalated,
    "decision.reminded": _reminded,
    "decision.deployment_alarmed": _alarmed,
    "delegation.started": _stand_in,
    "proposal.made": _proposed,
    "proposal.applied": _settle_proposal,
    "proposal.refused": _settle_proposal,
    "proposal.withdrawn": _settle_proposal,
    "bypass.asked": _bypass_asked,
    "bypass.granted": _bypass_granted,
    "bypass.refused": _settle_bypass,
    "bypass.withdrawn": _settle_bypass,
    "bypass.used": _bypass_used,
}


def _tell(kind: str, key: str, decision: Decision, headline: str, people: Audience, now: datetime, **more: Any) -> None:
    facts = _facts(decision) | more | {"headline": headline}
    critical = decision.priority == Priority.CRITICAL
    notify(News(kind, key, str(decision.decision_id), facts, critical), people, now=now)


def _asked_and_next(decision: Decision, now: datetime) -> Audience:
    """Return who was asked and still can decide, and the next ones in turn."""
    asked = audience.asked_before(str(decision.decision_id))
    again = dict.fromkeys(audience.still_able(decision, asked, now), "you were asked to decide it")
    return again | audience.next_in_turn(decision, settings.NOTIFY_FIRST, now, asked=asked)


def _decision(decision_id: str) -> Decision:
    rows = Decision.objects.select_related("patch", "policy_version__policy").defer("patch__wargaming_log")
    return rows.get(decision_id=decision_id)


def _pending(decision_id: str) -> Decision | None:
    """Return a decision that still waits: what was decided meanwhile asks nobody."""
    decision = _decision(decision_id)
    return decision if decision.status == Status.PENDING else None


def _named(decision: Decision) -> str:
    patch = decision.patch
    return f"{Priority(decision.priority).label}: {patch.heading if patch.is_gate else patch.label}"


def _facts(decision: Decision) -> dict[str, Any]:
    """Return what messages say of a decision; nothing of the diff, and no free text but the title."""
    patch = decision.patch
    return {
        "link": reverse("patch-detail", args=[decision.decision_id]),
        "title": patch.heading,
        "patch_id": patch.patch_id,
        "revision": patch.revision,
        "package": patch.package_name or patch.repository,
        "vulnerability": patch.cve_id or "",
        "priority": Priority(decision.priority).name.lower(),
        "severity": str(patch.effective_severity),
        "policy": decision.policy_version.policy.name,
        "due_at": _time(decision.sla_due_at),
        "expires_at": _time(decision.expire_at),
        "approvals": decision.approvals,
        "required_approvals": decision.required_approvals,
    }


def _time(at: datetime) -> str | None:
    return None if at.year > 9000 else at.isoformat()


def _bypass(bypass_id: str) -> Bypass:
    return Bypass.objects.select_related("holder", "decision__patch").get(pk=bypass_id)


def _bypass_facts(bypass: Bypass) -> dict[str, Any]:
    target = bypass.decision.patch.label if bypass.decision else bypass.package_name
    return {
        "link": reverse("bypasses"),
        "title": target,
        "until": bypass.ends_at.isoformat() if bypass.ends_at else None,
    }


def _key(entry: Placed) -> str:
    return f"{entry.type}:{entry.uuid}"


def _by(entry: Placed) -> dict[str, str]:
    """Return who acted as `by`, '' where nobody's name is to be told."""
    return {"by": entry.actor_label}


def _end(data: dict[str, Any]) -> dict[str, Any]:
    """Return what the entry of an end says in our own words and codes."""
    return {name: data[name] for name in ("cause", "category") if data.get(name)}


def _but_actor(people: Audience, entry: Placed) -> Audience:
    """Leave out who did it themself: nobody is told what they know."""
    actor = entry.actor_id.removeprefix("user:")
    return audience.without(people, [int(actor)] if actor.isdecimal() else [])
