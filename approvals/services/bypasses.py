"""Emergency bypasses: ask, grant (always by a second person, whatever the settings), use and review. Their only writer;
how a bypass approves a decision is in `reviews`."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django.db import IntegrityError, transaction

from approvals.accounts.services.owners import demand_own
from approvals.errors import Conflict, Invalid, NotAllowed, NotFound, moment
from approvals.models import LONGEST_BYPASS, Bypass, BypassReview, Decision, Status, Text, User
from approvals.permissions import REVIEW_DECISION
from approvals.policy.rules import ROLES, role_of
from approvals.queries.deciders import is_lead
from approvals.queries.decision_facts import current, outcome, people_of
from approvals.queries.people import accounts_of, known_as, reviewer_from_db
from audit.log import Actor, NewEntry, Subject, record_all

from .decision_lock import lock_decision
from .ending import commitment
from .reasons import check_reason
from .refusals import audit_refusal

GRANTED = Bypass.State.GRANTED


@dataclass(frozen=True, slots=True)
class Target:
    """What a bypass is for: one decision, or every patch of a package as producers name it. Exactly one."""

    decision_id: UUID | None = None
    ecosystem: str = ""
    package_name: str = ""


def ask(holder: User, target: Target, seconds: int, reason: str, *, user: User, actor: Actor, now: datetime) -> Bypass:
    """Ask that `holder` may approve alone for that many seconds, counted from the grant; only leads ask.

    Raise NotAllowed, Invalid (no reason, too long, no target, a holder who does not review), NotFound or Conflict
    (decided already, asked already).
    """
    terms = _terms(holder.pk, target, seconds, user.pk)
    with audit_refusal("ask for a bypass", Subject("caller", actor.id, actor.label), actor=actor, now=now, data=terms):
        _demand_lead(user, "Only security leads ask for an emergency bypass.")
    check_reason(reason)
    if not 1 <= seconds <= LONGEST_BYPASS:
        raise Invalid("An emergency bypass runs for 8 hours at most.", field="seconds")
    if REVIEW_DECISION not in reviewer_from_db(holder).permissions:
        raise Invalid(f"{holder} does not review, so could not use it.", field="holder")
    if (target.decision_id is None) == (not target.package_name):
        raise Invalid("Name one patch or one package.", field="target")
    with transaction.atomic():
        decision = _pending_decision(target.decision_id) if target.decision_id else None
        text = Text.objects.create(body=reason.strip())
        try:
            with transaction.atomic():
                bypass = Bypass.objects.create(
                    holder=holder,
                    decision=decision,
                    ecosystem=target.ecosystem,
                    package_name=target.package_name,
                    reason=text,
                    seconds=seconds,
                    asked_by=user,
                    asked_at=now,
                )
        except IntegrityError as error:
            raise Conflict(f"The same was asked for {holder} and waits for a second person.") from error
        _record("bypass.asked", bypass, actor, now, {"reason": commitment(text)}, new=True)
    return bypass


def grant(bypass_id: int, *, user: User, actor: Actor, now: datetime) -> Bypass:
    """Grant a bypass, which runs from now on; only for a lead who neither asked for it nor would hold it.

    Raise NotFound, NotAllowed or Conflict (answered already, the patch is decided).
    """
    with audit_refusal("grant", _subject_of(bypass_id), actor=actor, now=now), transaction.atomic():
        bypass = _locked_bypass(bypass_id)
        _demand_lead(user, "Only security leads grant an emergency bypass.")
        _demand_asked(bypass)
        if bypass.asked_by_id in accounts_of(user):
            raise NotAllowed("You asked for this bypass, so a second person must grant it.")
        if bypass.holder_id in accounts_of(user):
            raise NotAllowed("This bypass is for you, so somebody else must grant it.")
        if bypass.decision and (role := role_of(people_of(bypass.decision.patch), known_as(user))):
            raise NotAllowed(f"You {ROLES[role]}, so another lead must grant this bypass.")
        if bypass.decision and bypass.decision.status != Status.PENDING:
            raise Conflict(f"{outcome(bypass.decision)} There is nothing left to approve; nothing was changed.")
        bypass.ends_at = now + timedelta(seconds=bypass.seconds)
        _answer(bypass, GRANTED, user, actor, now)
        return bypass


def refuse(bypass_id: int, *, user: User, actor: Actor, now: datetime) -> Bypass:
    """Refuse a bypass, or withdraw it if one asked for it oneself. Raise NotFound, NotAllowed or Conflict."""
    with audit_refusal("refuse", _subject_of(bypass_id), actor=actor, now=now), transaction.atomic():
        bypass = _locked_bypass(bypass_id)
        own = user.pk == bypass.asked_by_id
        if not own:
            _demand_lead(user, "Only security leads refuse an emergency bypass.")
        _demand_asked(bypass)
        _answer(bypass, Bypass.State.WITHDRAWN if own else Bypass.State.REFUSED, user, actor, now)
        return bypass


def end(bypass_id: int, *, user: User, actor: Actor, now: datetime) -> Bypass:
    """End a running bypass early; one lead is enough. Raise NotFound, NotAllowed or Conflict (not running).

    Waits for a use in progress, which then counts.
    """
    with audit_refusal("end", _subject_of(bypass_id), actor=actor, now=now), transaction.atomic():
        bypass = _locked_bypass(bypass_id)
        _demand_lead(user, "Only security leads end an emergency bypass.")
        if bypass.state != GRANTED or bypass.ends_at is None or now >= bypass.ends_at:
            raise Conflict(f"This bypass does not run: {_state_sentence(bypass)} Nothing was changed.")
        bypass.state, bypass.ended_by, bypass.ended_at = Bypass.State.ENDED, user, now
        bypass.save(update_fields=["state", "ended_by", "ended_at"])
        _record("bypass.ended", bypass, actor, now, {"ends_at": bypass.ends_at, "uses": bypass.uses.count()})
        return bypass


def find_locked(bypass_id: int) -> Bypass | None:
    """Return a bypass with its row locked, so that nobody can end it while it is used; None if there is none."""
    return Bypass.objects.select_for_update().filter(pk=bypass_id).first()


def use_of(bypass: Bypass, decision: Decision, lacking: list[str], actor: Actor) -> NewEntry:
    """Return the entry to record: a locked bypass replaced what the quorum of a decision lacked."""
    data = {
        "decision": str(decision.decision_id),
        "patch_sha256": decision.patch.sha256,
        "approvals": decision.approvals,
        "required_approvals": decision.required_approvals,
        "lacking": lacking,
    }
    return _new_entry("bypass.used", bypass, actor, data)


def review(decision_id: UUID, justified: bool, note: str, *, user: User, actor: Actor, now: datetime) -> BypassReview:
    """Judge one use of a bypass afterwards, once; only for a lead who was not its holder.

    Raise NotFound (no such use), NotAllowed, Invalid (no note) or Conflict (judged already).
    """
    check_reason(note)
    bypass_keys = Decision.objects.filter(decision_id=decision_id).values_list("bypass", flat=True)
    if not bypass_keys:
        raise NotFound("There is no such decision.")
    if bypass_keys[0] is None:
        raise NotFound("This was not approved under an emergency bypass.")
    with audit_refusal("review a use", _subject_of(bypass_keys[0]), actor=actor, now=now), transaction.atomic():
        decision, bypass = lock_decision(decision_id), _locked_bypass(bypass_keys[0])
        _demand_lead(user, "Only security leads review the use of an emergency bypass.")
        if bypass.holder_id in accounts_of(user):
            raise NotAllowed("You used this bypass, so somebody else must review it.")
        earlier = BypassReview.objects.select_related("reviewed_by").filter(decision=decision).first()
        if earlier:
            raise Conflict(f"{earlier.reviewed_by} reviewed this use: {earlier}. Nothing was changed.")
        text = Text.objects.create(body=note.strip())
        bypass_review = BypassReview.objects.create(
            decision=decision, justified=justified, note=text, reviewed_by=user, reviewed_at=now
        )
        data = {"decision": str(decision.decision_id), "justified": justified, "note": commitment(text)}
        _record("bypass.reviewed", bypass, actor, now, data)
    return bypass_review


def _subject_of(bypass_id: int) -> Subject:
    """Return a bypass as the subject of a refused attempt, which is not part of its chain of entries."""
    return Subject("bypass", str(bypass_id), f"emergency bypass {bypass_id}")


def _demand_lead(user: User, sentence: str) -> None:
    if not is_lead(user):
        raise NotAllowed(sentence)
    demand_own(user)


def _pending_decision(decision_id: UUID) -> Decision:
    decision = Decision.objects.select_related("patch").filter(decision_id=decision_id).first()
    if decision is None:
        raise NotFound("There is no such decision.")
    if decision.status != Status.PENDING:
        raise Conflict(f"{outcome(decision)} Nothing was changed.", current=current(decision))
    return decision


def _locked_bypass(bypass_id: int) -> Bypass:
    rows = Bypass.objects.select_for_update(of=("self",)).select_related(
        "holder", "asked_by", "decided_by", "decision__patch"
    )
    bypass = rows.filter(pk=bypass_id).first()
    if bypass is None:
        raise NotFound("There is no such emergency bypass.")
    return bypass


def _demand_asked(bypass: Bypass) -> None:
    if bypass.state != Bypass.State.ASKED:
        raise Conflict(f"{_state_sentence(bypass)} Nothing was changed.")


def _state_sentence(bypass: Bypass) -> str:
    """Return the state of a bypass as a sentence."""
    if bypass.state == Bypass.State.ASKED:
        return "It waits for a second person."
    if bypass.state == Bypass.State.ENDED and bypass.ended_at:
        return f"It was ended at {moment(bypass.ended_at)}."
    until = f" until {moment(bypass.ends_at)}" if bypass.ends_at else ""
    return f"It was {bypass.state} by {bypass.decided_by}{until}."


def _answer(bypass: Bypass, state: Bypass.State, user: User, actor: Actor, now: datetime) -> None:
    bypass.state, bypass.decided_by, bypass.decided_at = state, user, now
    bypass.save(update_fields=["state", "decided_by", "decided_at", "ends_at"])
    _record(f"bypass.{state}", bypass, actor, now, {"ends_at": bypass.ends_at})


def _record(type: str, bypass: Bypass, actor: Actor, now: datetime, data: dict[str, Any], *, new: bool = False) -> None:
    record_all([_new_entry(type, bypass, actor, data, new=new)], at=now)


def _new_entry(type: str, bypass: Bypass, actor: Actor, data: dict[str, Any], *, new: bool = False) -> NewEntry:
    """Return an entry about a bypass, with its terms; the caller has locked its row."""
    decision = bypass.decision
    target = Target(decision.decision_id if decision else None, bypass.ecosystem, bypass.package_name)
    terms = _terms(bypass.holder_id, target, bypass.seconds, bypass.asked_by_id)
    label = f"{bypass}: {decision.patch.label if decision else bypass.package_name}"
    subject = Subject("bypass", str(bypass.pk), label, chained=True, new=new)
    return NewEntry(type, actor, subject, terms | data)


def _terms(holder_id: int, target: Target, seconds: int, asked_by_id: int) -> dict[str, Any]:
    """Return for whom and for what a bypass is or would be, as entries have it."""
    return {
        "holder": f"user:{holder_id}",
        "decision_target": str(target.decision_id) if target.decision_id else None,
        "package": {"ecosystem": target.ecosystem, "name": target.package_name} if target.package_name else None,
        "seconds": seconds,
        "asked_by": f"user:{asked_by_id}",
    }
