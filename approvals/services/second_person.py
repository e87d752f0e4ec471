"""Changes that loosen the rules or add deciders: one person proposes, a second applies. Only writer of proposals."""

import hashlib
from datetime import datetime
from itertools import takewhile
from typing import Any

import rfc8785
from django.conf import settings
from django.contrib.auth.models import Group
from django.db import IntegrityError, transaction

from approvals.accounts.services import owners, rights, tokens
from approvals.accounts.services.rights import PendingChange
from approvals.errors import Conflict, Invalid, NotAllowed, NotFound
from approvals.models import ApiToken, Policy, Producer, Proposal, Text, TokenKind, User
from approvals.permissions import ADD_GROUP, CHANGE_GROUP, CHANGE_POLICY, CHANGE_USER
from approvals.policy.agreeing import lacks_right, why_not_agree
from approvals.policy.loosening import loosens
from approvals.queries.deciders import is_lead, second
from audit.log import Actor, Subject, record

from . import killswitch, policies, producers, trust
from .ending import commitment
from .reasons import check_reason
from .refusals import audit_refusal

TARGET_MODELS = {"policy_id": Policy, "person_id": User, "group_id": Group, "producer_id": Producer}
ANOTHER_IS_OPEN = "Another change of this waits for a second person. Nothing was changed."


def change_policy(
    policy: Policy, terms: dict[str, Any], *, reason: str, user: User, actor: Actor, now: datetime
) -> Proposal | None:
    """Publish these terms and save the policy's name, position and switch as set on the object.

    A change that loosens the rules becomes a proposal, which is returned, unless the install needs no second person.
    A new policy is first created switched off: it covers nothing until somebody agrees to switch it on.
    Raise NotAllowed, Invalid (terms, position, no reason) or Conflict (another proposal is open).
    """
    if not user.has_perm(CHANGE_POLICY):
        raise NotAllowed("Only policy administrators and security leads change policies.")
    owners.demand_own(user)
    policies.check_terms(policy, terms)
    policies.check_place(policy)
    with transaction.atomic():
        place = policies.place_of(policy)
        Policy.objects.select_for_update().filter(pk=policy.pk).first()  # locked: what is compared does not change
        why = check_change(policy, terms, reason)
        if policy._state.adding:
            policy.enabled = False
            policies.arrange(policy, actor=actor, now=now)
            policies.publish(policy, terms, actor=actor, now=now)
        stored = Policy.objects.select_related("current").get(pk=policy.pk)
        if why and required():
            payload = {"terms": policies.canonical_terms(terms), "place": place}
            proposal = Proposal(kind=Proposal.Kind.POLICY, policy=stored, payload=payload)
            return _propose(proposal, why, reason, user, actor, now)
        if why:
            killswitch.demand_setting()
        _apply_policy(stored, terms, place, actor, now)
    return None


@transaction.atomic
def change_rights(
    target: User | Group, pending: PendingChange, *, reason: str, user: User, actor: Actor, now: datetime
) -> Proposal | None:
    """Propose the rights of a person or group that one person may not grant alone; None if there are none.

    Call in the transaction that locked the row and granted the rest. Raise NotAllowed, Invalid (no reason) or Conflict.
    """
    if not pending.why:
        return None
    needed = [CHANGE_USER] if isinstance(target, User) else [CHANGE_GROUP, ADD_GROUP]
    if not any(user.has_perm(permission) for permission in needed):
        raise NotAllowed("Only administrators change people and groups.")
    owners.demand_own(user)
    check_reason(reason)
    return _propose(Proposal(payload=pending.change, **_target(target)), pending.why, reason, user, actor, now)


@transaction.atomic
def change_trust(producer: Producer, *, reason: str, user: User, actor: Actor, now: datetime) -> Proposal | None:
    """Save a producer as set on the object; new trust in its evidence becomes a proposal, which is returned.

    Raise NotAllowed, Invalid (no reason) or Conflict (another change is open).
    """
    owners.demand_own(user)
    stored = Producer.objects.select_for_update().get(pk=producer.pk) if producer.pk else Producer()
    killswitch.demand_setting()
    pending = trust.split(stored, producer)
    for name in pending.change:
        setattr(producer, name, False)
    producers.change_producer(producer, actor=actor, now=now)
    if not pending.why:
        return None
    check_reason(reason)
    return _propose(Proposal(payload=pending.change, **_target(producer)), pending.why, reason, user, actor, now)


@transaction.atomic
def issue_token(
    name: str,
    kind: TokenKind,
    *,
    user: User,
    actor: Actor,
    now: datetime,
    producer: Producer | None = None,
    **more: Any,
) -> tuple[ApiToken, str, PendingChange]:
    """Issue a machine's token as `tokens.issue_token` does; return it, its secret, and the trust that is now pending.

    The holder of a new token sends evidence in the producer's name. So trust in the producer ends until a second
    person agrees to it again; an open proposal is replaced by one for both. Raise NotAllowed or Invalid.
    """
    owners.demand_own(user)
    stored = Producer.objects.select_for_update().get(pk=producer.pk) if producer else None
    token, secret = tokens.issue_token(name, kind, actor=actor, now=now, producer=stored, **more)
    change = {column: True for column in trust.EVIDENCE if stored and getattr(stored, column)}
    if stored is None or not change or not required():
        return token, secret, rights.NO_PENDING_CHANGE
    for earlier in Proposal.objects.select_for_update().filter(state=Proposal.State.OPEN, **_target(stored)):
        change |= earlier.payload
        _close(earlier, Proposal.State.WITHDRAWN, user, actor, now)
    for column in change:
        setattr(stored, column, False)
    producers.change_producer(stored, actor=actor, now=now)
    pending = PendingChange(
        change, [f"{user} issued the token {name} for it: ask who holds it.", *trust.reasons(change)]
    )
    _propose(Proposal(payload=change, **_target(stored)), pending.why, "It has a new token.", user, actor, now)
    return token, secret, pending


def ask_for_account(
    person: User, changes: list[str], *, reason: str, user: User, actor: Actor, now: datetime
) -> Proposal | None:
    """Hold an account whose sign-in `user` changed, and propose to a second person to release it; its row is locked.

    Nobody who has changed it since it was last released may agree. Return None in an install that needs no second
    person: there the owner's confirmation is enough. Call in the transaction that makes the changes; raise NotAllowed
    or Conflict (the setting has not reached the database).
    """
    owners.demand_own(user)
    killswitch.demand_setting()
    owners.hold(person, changes, needs_lead=required(), actor=actor, now=now)
    changers = {user.pk}
    asked_before = Proposal.objects.select_for_update().filter(kind=Proposal.Kind.ACCOUNT, person=person)
    for earlier in takewhile(lambda each: each.state != Proposal.State.APPLIED, asked_before.order_by("-pk")):
        changers |= set(earlier.payload["by"])
        if earlier.state == Proposal.State.OPEN:
            _close(earlier, Proposal.State.WITHDRAWN, user, actor, now)
    if not required():
        return None
    changes_text = ", ".join(person.held_for)
    why = [
        f"An administrator changed how they sign in: {changes_text}. They confirm it themselves, at a fresh sign-in."
    ]
    payload = {"by": sorted(changers), "changes": person.held_for}
    proposal = Proposal(kind=Proposal.Kind.ACCOUNT, person=person, payload=payload)
    return _propose(proposal, why, reason or "No other reason was given.", user, actor, now)


def check_rights(target: User | Group | Producer, pending: PendingChange, reason: str) -> None:
    """Raise what proposing it would: Invalid without a reason, Conflict while another change is open."""
    if not pending.why:
        return
    check_reason(reason)
    same = _target(target)
    if target.pk and Proposal.objects.filter(state=Proposal.State.OPEN, **same).exists():
        raise Conflict(ANOTHER_IS_OPEN)


def _target(target: User | Group | Producer) -> dict[str, Any]:
    """Return the columns that name the target of a proposal for more rights or trust."""
    if isinstance(target, User):
        return {"kind": Proposal.Kind.PERSON, "person": target}
    if isinstance(target, Group):
        return {"kind": Proposal.Kind.GROUP, "group": target}
    return {"kind": Proposal.Kind.PRODUCER, "producer": target}


def required() -> bool:
    """Return whether this install needs a second person."""
    return bool(settings.SECOND_PERSON_REQUIRED)


def check_change(policy: Policy, terms: dict[str, Any], reason: str) -> list[str]:
    """Return why these terms and this position loosen the policy; raise Invalid if they do and no reason is given."""
    why = why_it_loosens(policy, terms)
    if why:
        check_reason(reason)
    return why


def why_it_loosens(policy: Policy, terms: dict[str, Any]) -> list[str]:
    """Return why these terms, at the position set on the object, let more through than what is stored."""
    stored = Policy.objects.select_related("current").filter(pk=policy.pk).first() if policy.pk else None
    if stored and stored.current:
        before, old_place = policies.terms_of(stored.current), policies.place_of(stored)
    else:  # new: nothing is covered until it is switched on
        before, old_place = policies.canonical_terms(terms), {**policies.place_of(policy), "enabled": False}
    return loosens(before, policies.canonical_terms(terms), old_place, policies.place_of(policy))


def start_again(*, reason: str, user: User, actor: Actor, now: datetime) -> Proposal | None:
    """Propose that automatic approval runs again; in an install that needs no second person it does at once."""
    with audit_refusal("start", killswitch.SUBJECT, actor=actor, now=now):
        if not is_lead(user):
            raise NotAllowed("Only security leads switch automatic approval on.")
        owners.demand_own(user)
    check_reason(reason)
    if not required():
        killswitch.turn(False, reason.strip(), user=user, actor=actor, now=now)
        return None
    why = ["Automatic approval runs again for every policy that is enforced."]
    with transaction.atomic():
        return _propose(Proposal(kind=Proposal.Kind.KILL_SWITCH), why, reason, user, actor, now)


def stop(*, reason: str, user: User, actor: Actor, now: datetime) -> bool:
    """Stop automatic approval at once; one person is enough. Return False when it was stopped already."""
    with audit_refusal("stop", killswitch.SUBJECT, actor=actor, now=now):
        if not is_lead(user):
            raise NotAllowed("Only security leads stop automatic approval.")
        owners.demand_own(user)
    check_reason(reason)
    return killswitch.turn(True, reason.strip(), user=user, actor=actor, now=now)


def agree(proposal_id: int, *, user: User, actor: Actor, now: datetime) -> Proposal:
    """Agree to a proposal and apply it.

    Raise NotFound, NotAllowed (its author, the person who gains by it, no right to agree) or Conflict (decided, stale,
    no longer possible).
    """
    with audit_refusal("agree", _subject_of(proposal_id), actor=actor, now=now), transaction.atomic():
        _lock_target(proposal_id)
        proposal = _locked_open(proposal_id)
        if sentence := why_not_agree(proposal, second(user)):
            raise NotAllowed(sentence)
        if proposal.proposed_by.held_since is not None:
            raise NotAllowed(f"The account of {proposal.proposed_by}, who asked for this, decides nothing at present.")
        if proposal.base != _target_digest(proposal):
            raise Conflict(
                f"{proposal.about} was changed after this was asked for. Nothing was changed; ask for it again."
            )
        _close(proposal, Proposal.State.APPLIED, user, actor, now)
        try:
            with transaction.atomic():
                _apply(proposal, user, actor, now)
        except Invalid as error:  # something that it names has gone since it was proposed
            raise Conflict(f"This cannot be made so any more: {error.detail} Nothing was changed.") from error
        except IntegrityError as error:
            raise Conflict("Another policy has this name or place by now. Nothing was changed.") from error
        return proposal


def refuse(proposal_id: int, *, user: User, actor: Actor, now: datetime) -> Proposal:
    """Refuse somebody's proposal or withdraw one's own. Raise NotFound, NotAllowed or Conflict."""
    with audit_refusal("refuse", _subject_of(proposal_id), actor=actor, now=now), transaction.atomic():
        proposal = _locked_open(proposal_id)
        decider = second(user)
        own = proposal.proposed_by_id in decider.accounts
        if not own and (sentence := lacks_right(proposal, decider)):
            raise NotAllowed(sentence)
        _close(proposal, Proposal.State.WITHDRAWN if own else Proposal.State.REFUSED, user, actor, now)
        return proposal


def _apply(proposal: Proposal, user: User, actor: Actor, now: datetime) -> None:
    change = proposal.payload
    if proposal.policy:
        _apply_policy(proposal.policy, policies.from_plain(change["terms"]), change["place"], actor, now)
    elif proposal.kind == Proposal.Kind.ACCOUNT and proposal.person:
        owners.agreed(proposal.person, actor=actor, now=now)
    elif proposal.producer:
        trust.give(proposal.producer, change, actor=actor, now=now)
    elif proposal.person:
        rights.give_person(proposal.person, change, actor=actor, now=now)
    elif proposal.group:
        rights.give_group(proposal.group, change, actor=actor, now=now)
    else:
        killswitch.turn(False, str(proposal.reason), user=user, actor=actor, now=now)


def _propose(proposal: Proposal, why: list[str], reason: str, user: User, actor: Actor, now: datetime) -> Proposal:
    """Save a proposal, which already has its target and the whole change."""
    proposal.reason = text = Text.objects.create(body=reason.strip())
    proposal.base, proposal.loosens = _target_digest(proposal), why
    proposal.proposed_by, proposal.proposed_at = user, now
    try:
        with transaction.atomic():
            proposal.save(force_insert=True)
    except IntegrityError as error:
        raise Conflict(ANOTHER_IS_OPEN) from error
    _record("proposal.made", proposal, actor, now, {"reason": commitment(text), "change": _change_for_log(proposal)})
    return proposal


def _change_for_log(proposal: Proposal) -> dict[str, Any]:
    """Return the change as entries have it, without names of people."""
    change: dict[str, Any] = proposal.payload
    if "terms" not in change:
        return change
    [terms] = policies.without_names(change["terms"])
    return change | {"terms": terms}


def _apply_policy(policy: Policy, terms: dict[str, Any], place: dict[str, Any], actor: Actor, now: datetime) -> None:
    policy.name, policy.position, policy.enabled = place["name"], place["position"], place["enabled"]
    policies.arrange(policy, actor=actor, now=now)
    policies.publish(policy, terms, actor=actor, now=now)


def _close(proposal: Proposal, state: Proposal.State, user: User, actor: Actor, now: datetime) -> None:
    proposal.state, proposal.decided_by, proposal.decided_at = state, user, now
    proposal.save(update_fields=["state", "decided_by", "decided_at"])
    proposer = f"user:{proposal.proposed_by_id}"
    _record(f"proposal.{state}", proposal, actor, now, {"proposed_by": proposer})


def _lock_target(proposal_id: int) -> None:
    """Lock a proposal's target before the proposal itself, in the same order as those who propose."""
    for row in Proposal.objects.filter(pk=proposal_id).values(*TARGET_MODELS):
        for model, pk in zip(TARGET_MODELS.values(), row.values(), strict=True):
            model._default_manager.select_for_update().filter(pk=pk).first()


def _locked_open(proposal_id: int) -> Proposal:
    rows = Proposal.objects.select_for_update(of=("self",))
    matching = rows.select_related("policy__current", "person", "group", "producer", "proposed_by", "reason").filter(
        pk=proposal_id
    )
    if not matching:
        raise NotFound("There is no such proposal.")
    proposal: Proposal = matching[0]
    if proposal.state != Proposal.State.OPEN:
        raise Conflict(
            f"This was {proposal.get_state_display().lower()} by {proposal.decided_by}. Nothing was changed."
        )
    return proposal


def _subject_of(proposal_id: int) -> Subject:
    return Subject("proposal", str(proposal_id), f"proposal {proposal_id}")


def _target_digest(proposal: Proposal) -> str:
    """Return a digest of the present state of a proposal's target."""
    if proposal.kind == Proposal.Kind.ACCOUNT and proposal.person:
        return str(proposal.person.held_since)  # nothing changes it but another hold
    if proposal.producer:
        return trust.producer_now(proposal.producer)
    if proposal.person:
        return rights.person_now(proposal.person, proposal.payload)
    if proposal.group:
        return rights.group_now(proposal.group)
    return _policy_now(proposal.policy) if proposal.policy else killswitch.present_state()


def _policy_now(policy: Policy) -> str:
    """Return a digest of a policy's version, name, position and switch."""
    assert policy.current is not None
    present = {**policies.place_of(policy), "version": policy.current.version}
    return hashlib.sha256(rfc8785.dumps(present)).hexdigest()


def _record(type: str, proposal: Proposal, actor: Actor, now: datetime, data: dict[str, Any]) -> None:
    subject = Subject("proposal", str(proposal.pk), proposal.about)
    target = {"person": f"user:{proposal.person_id}"} if proposal.person_id else {}
    target |= {"group": proposal.group.name} if proposal.group else {}
    target |= {"producer": proposal.producer.name} if proposal.producer else {}
    aside: dict[str, Any] = {"loosens": proposal.loosens}
    if "change" in data and data["change"] != proposal.payload:
        aside["change"] = proposal.payload
    record(type, actor=actor, at=now, subject=subject, data={"kind": proposal.kind, **target, **data}, aside=aside)
