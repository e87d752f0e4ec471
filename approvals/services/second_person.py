"""Changes that loosen the rules: one person asks, a second makes them so. The only writer of proposals."""

import hashlib
from datetime import datetime
from typing import Any

import rfc8785
from django.conf import settings
from django.db import IntegrityError, transaction

from approvals.errors import Conflict, Invalid, NotAllowed, NotFound
from approvals.models import Policy, Proposal, Text, User
from approvals.policy.loosening import loosens
from approvals.policy.quorum import Approver
from approvals.queries.people import one_person_once, person
from audit.log import Actor, Subject, record

from . import killswitch, policies
from .ending import commitment

CHANGE = "approvals.change_policy"
LEAD = "approvals.lead_decision"
MAX_REASON = 2_000


def change_policy(
    policy: Policy, terms: dict[str, Any], *, reason: str, user: User, actor: Actor, now: datetime
) -> Proposal | None:
    """Publish these terms and save the policy's name, place and switch as set on the object.

    What loosens the rules becomes a proposal, which is returned, unless the install does without a second person.
    A new policy is made switched off first: it covers nothing until somebody agrees to switch it on.
    Raise NotAllowed, Invalid (terms, place, no reason) or Conflict (another proposal waits).
    """
    if not user.has_perm(CHANGE):
        raise NotAllowed("Only policy administrators and security leads change policies.")
    policies.check_terms(policy, terms)
    policies.check_place(policy)
    with transaction.atomic():
        place = policies.place_of(policy)
        Policy.objects.select_for_update().filter(pk=policy.pk).first()  # held: what is compared stays so
        why = check_change(policy, terms, reason)
        if policy._state.adding:
            policy.enabled = False
            policies.arrange(policy, actor=actor, now=now)
            policies.publish(policy, terms, actor=actor, now=now)
        kept = Policy.objects.select_related("current").get(pk=policy.pk)
        if why and required():
            payload = {"terms": policies.plain(terms), "place": place}
            return _propose(Proposal.Kind.POLICY, kept, payload, why, reason, user, actor, now)
        _apply_policy(kept, terms, place, actor, now)
    return None


def required() -> bool:
    """Return whether this install asks for a second person."""
    return bool(settings.SECOND_PERSON_REQUIRED)


def check_change(policy: Policy, terms: dict[str, Any], reason: str) -> list[str]:
    """Return why these terms and this place loosen the policy; raise Invalid when they do and no reason is given."""
    why = why_it_loosens(policy, terms)
    if why:
        check_reason(reason)
    return why


def why_it_loosens(policy: Policy, terms: dict[str, Any]) -> list[str]:
    """Return why these terms, at the place set on the object, let more through than what is kept."""
    kept = Policy.objects.select_related("current").filter(pk=policy.pk).first() if policy.pk else None
    if kept and kept.current:
        before, old_place = policies.terms_of(kept.current), policies.place_of(kept)
    else:  # new: nothing is covered until it is switched on
        before, old_place = policies.plain(terms), {**policies.place_of(policy), "enabled": False}
    return loosens(before, policies.plain(terms), old_place, policies.place_of(policy))


def start_again(*, reason: str, user: User, actor: Actor, now: datetime) -> Proposal | None:
    """Ask that automatic approval runs again; without a second person in this install it does at once."""
    demand_lead(user, actor, "Only security leads switch automatic approval on.")
    check_reason(reason)
    if not required():
        killswitch.turn(False, reason.strip(), user=user, actor=actor, now=now)
        return None
    why = ["Automatic approval runs again for every policy that is enforced."]
    with transaction.atomic():
        return _propose(Proposal.Kind.KILL_SWITCH, None, {}, why, reason, user, actor, now)


def stop(*, reason: str, user: User, actor: Actor, now: datetime) -> bool:
    """Stop automatic approval at once; one person is enough. Return False when it was stopped already."""
    demand_lead(user, actor, "Only security leads stop automatic approval.")
    check_reason(reason)
    return killswitch.turn(True, reason.strip(), user=user, actor=actor, now=now)


@transaction.atomic
def agree(proposal_id: int, *, user: User, actor: Actor, now: datetime) -> Proposal:
    """Make a proposal so. Raise NotFound, NotAllowed (its own author, no such right) or Conflict (decided, stale)."""
    proposal = _open(proposal_id)
    _demand_right(proposal, user, actor)
    if same_person(user, proposal.proposed_by):
        raise NotAllowed("You asked for this change, so a second person must agree to it.")
    if proposal.policy and proposal.base != _base(proposal.policy):
        raise Conflict("The policy was changed after this was asked for. Nothing was changed; ask for it again.")
    _close(proposal, Proposal.State.APPLIED, user, actor, now)
    if proposal.policy:
        terms = policies.from_plain(proposal.payload["terms"])
        _apply_policy(proposal.policy, terms, proposal.payload["place"], actor, now)
    else:
        killswitch.turn(False, str(proposal.reason), user=user, actor=actor, now=now)
    return proposal


@transaction.atomic
def refuse(proposal_id: int, *, user: User, actor: Actor, now: datetime) -> Proposal:
    """Refuse somebody's proposal or take back one's own. Raise NotFound, NotAllowed or Conflict."""
    proposal = _open(proposal_id)
    own = user.pk == proposal.proposed_by_id
    if not own:
        _demand_right(proposal, user, actor)
    _close(proposal, Proposal.State.WITHDRAWN if own else Proposal.State.REFUSED, user, actor, now)
    return proposal


def _propose(
    kind: Proposal.Kind,
    policy: Policy | None,
    payload: dict[str, Any],
    why: list[str],
    reason: str,
    user: User,
    actor: Actor,
    now: datetime,
) -> Proposal:
    text = Text.objects.create(body=reason.strip())
    try:
        with transaction.atomic():
            proposal = Proposal.objects.create(
                kind=kind,
                policy=policy,
                payload=payload,
                base=_base(policy) if policy else "",
                loosens=why,
                reason=text,
                proposed_by=user,
                proposed_at=now,
            )
    except IntegrityError as error:
        raise Conflict("Another change of this waits for a second person. Nothing was changed.") from error
    _record("proposal.made", proposal, actor, now, {"loosens": why, "reason": commitment(text), "change": payload})
    return proposal


def _apply_policy(policy: Policy, terms: dict[str, Any], place: dict[str, Any], actor: Actor, now: datetime) -> None:
    policy.name, policy.position, policy.enabled = place["name"], place["position"], place["enabled"]
    policies.arrange(policy, actor=actor, now=now)
    policies.publish(policy, terms, actor=actor, now=now)


def _close(proposal: Proposal, state: Proposal.State, user: User, actor: Actor, now: datetime) -> None:
    proposal.state, proposal.decided_by, proposal.decided_at = state, user, now
    proposal.save(update_fields=["state", "decided_by", "decided_at"])
    asked = f"user:{proposal.proposed_by_id}"
    _record(f"proposal.{state}", proposal, actor, now, {"proposed_by": asked, "loosens": proposal.loosens})


def _open(proposal_id: int) -> Proposal:
    rows = Proposal.objects.select_for_update(of=("self",)).select_related("policy__current", "proposed_by", "reason")
    proposal = rows.filter(pk=proposal_id).first()
    if proposal is None:
        raise NotFound("There is no such proposal.")
    if proposal.state != Proposal.State.OPEN:
        raise Conflict(
            f"This was {proposal.get_state_display().lower()} by {proposal.decided_by}. Nothing was changed."
        )
    return proposal


def _demand_right(proposal: Proposal, user: User, actor: Actor) -> None:
    if proposal.policy is None:
        demand_lead(user, actor, "Only security leads switch automatic approval on.")
    elif not user.has_perm(CHANGE):
        raise NotAllowed("Only policy administrators and security leads agree to a policy.")


def demand_lead(user: User, actor: Actor, sentence: str) -> None:
    """Raise NotAllowed with this sentence unless the person is a security lead now."""
    if LEAD not in person(user, actor.authn).permissions:
        raise NotAllowed(sentence)


def same_person(one: User, other: User) -> bool:
    """Return whether these accounts are one person: the same, or with a provider's subject or address in common."""
    return len(one_person_once([Approver(user.pk, frozenset()) for user in {one, other}])) == 1


def check_reason(reason: str) -> None:
    """Raise Invalid unless what loosens says why."""
    if not reason.strip():
        raise Invalid("Say why: a reason is required.", errors=[{"loc": ["reason"], "msg": "Say why: this loosens."}])
    if len(reason) > MAX_REASON:
        sentence = f"A reason may have {MAX_REASON:,} characters."
        raise Invalid(sentence, errors=[{"loc": ["reason"], "msg": sentence}])


def _base(policy: Policy) -> str:
    """Return a digest of what the policy is now: its version, name, place and switch."""
    assert policy.current is not None
    present = {**policies.place_of(policy), "version": policy.current.version}
    return hashlib.sha256(rfc8785.dumps(present)).hexdigest()


def _record(type: str, proposal: Proposal, actor: Actor, now: datetime, data: dict[str, Any]) -> None:
    about = Subject("proposal", str(proposal.pk), str(proposal.policy or proposal.get_kind_display()))
    record(type, actor=actor, at=now, subject=about, data={"kind": proposal.kind, **data})
