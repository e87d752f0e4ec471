"""Delegations: somebody who is away asks another reviewer to review in their name. Their only writer."""

from datetime import datetime, timedelta

from django.db import transaction
from django.db.models import Q

from approvals.accounts.services.owners import demand_own
from approvals.errors import Conflict, Invalid, NotAllowed, NotFound, moment
from approvals.models import Delegation, Text, User
from approvals.permissions import REVIEW_DECISION
from approvals.queries.people import reviewer_from_db
from audit.log import Actor, Subject, record

from .ending import commitment
from .reasons import check_reason

LONGEST = timedelta(days=90)


def delegate(
    user: User, to: User, starts_at: datetime, ends_at: datetime, reason: str, *, actor: Actor, now: datetime
) -> Delegation:
    """Let `to` review in `user`'s name for a period. A start in the past means now.

    Raise NotAllowed (one of the two does not review), Invalid (the period, the reason) or Conflict (another delegation
    overlaps).
    """
    body, starts_at = check_reason(reason), max(starts_at, now)
    _check_time(starts_at, ends_at)
    if to.pk == user.pk:
        raise Invalid("Choose somebody else.", field="delegate", msg="is yourself")
    if REVIEW_DECISION not in reviewer_from_db(user, actor.authn).permissions:
        raise NotAllowed("Only reviewers and security leads have reviews to hand over.")
    demand_own(user)
    if REVIEW_DECISION not in reviewer_from_db(to).permissions:
        raise NotAllowed(f"{to} does not review, so cannot review in your name.")
    with transaction.atomic():
        User.objects.select_for_update().get(pk=user.pk)  # two forms at once would both find the time free
        overlapping = Delegation.objects.filter(
            Q(starts_at__lt=ends_at, ends_at__gt=starts_at), person=user, ended_at=None
        ).select_related("delegate")
        if other := overlapping.first():
            raise Conflict(
                f"{other.delegate} stands in for you from {moment(other.starts_at)} to {moment(other.ends_at)}. "
                "End that first; nothing was changed."
            )
        text = Text.objects.create(body=body)
        delegation = Delegation.objects.create(
            person=user, delegate=to, starts_at=starts_at, ends_at=ends_at, reason=text, created_at=now
        )
        _record("delegation.started", delegation, actor, now, text)
    return delegation


def end(delegation_id: int, *, user: User, actor: Actor, now: datetime) -> Delegation:
    """End one's own delegation early. Raise NotFound, or Conflict when it is over."""
    delegation = Delegation.objects.filter(pk=delegation_id, person=user).select_related("delegate").first()
    if delegation is None:
        raise NotFound("You have no such delegation.")
    with transaction.atomic():
        running = Delegation.objects.filter(pk=delegation.pk, ended_at=None, ends_at__gt=now)
        if not running.update(ended_at=now):
            raise Conflict("It is over already. Nothing was changed.")
        delegation.ended_at = now
        _record("delegation.ended", delegation, actor, now)
    return delegation


def _check_time(starts_at: datetime, ends_at: datetime) -> None:
    if ends_at <= starts_at:
        raise Invalid("It ends after it starts, and not in the past.", field="ends", msg="too early")
    if ends_at - starts_at > LONGEST:
        raise Invalid(f"At most {LONGEST.days} days at a time.", field="ends", msg="too late")


def _record(type: str, delegation: Delegation, actor: Actor, now: datetime, text: Text | None = None) -> None:
    record(
        type,
        actor=actor,
        at=now,
        subject=Subject("delegation", str(delegation.pk), f"{delegation.delegate.username} for {actor.label}"),
        data={
            "person": f"user:{delegation.person_id}",
            "delegate": f"user:{delegation.delegate_id}",
            "starts_at": delegation.starts_at,
            "ends_at": delegation.ends_at,
            "reason": commitment(text) if text else None,
        },
    )
