"""People who are away ask others to review in their name. The only writer of delegations."""

from datetime import datetime, timedelta

from django.db import transaction
from django.db.models import Q

from approvals.errors import Conflict, Invalid, NotAllowed, NotFound, moment
from approvals.models import Delegation, Text, User
from approvals.permissions import REVIEW_DECISION
from approvals.queries.people import reviewer_from_db
from audit.log import Actor, Subject, record

from .ending import commitment
from .owners import demand_own
from .reasons import reason_words

LONGEST = timedelta(days=90)


def delegate(
    user: User, to: User, starts_at: datetime, ends_at: datetime, reason: str, *, actor: Actor, now: datetime
) -> Delegation:
    """Ask `to` to review in `user`'s name for a time. A start that has passed means now.

    Raise NotAllowed (either does not review), Invalid (the time, the reason) or Conflict (somebody else stands in).
    """
    words, starts_at = reason_words(reason), max(starts_at, now)
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
        taken = Delegation.objects.filter(
            Q(starts_at__lt=ends_at, ends_at__gt=starts_at), person=user, ended_at=None
        ).select_related("delegate")
        if other := taken.first():
            raise Conflict(
                f"{other.delegate} stands in for you from {moment(other.starts_at)} to {moment(other.ends_at)}. "
                "End that first; nothing was changed."
            )
        text = Text.objects.create(body=words)
        made = Delegation.objects.create(
            person=user, delegate=to, starts_at=starts_at, ends_at=ends_at, reason=text, created_at=now
        )
        _record("delegation.started", made, actor, now, text)
    return made


def end(delegation_id: int, *, user: User, actor: Actor, now: datetime) -> Delegation:
    """End one's own delegation before its time. Raise NotFound, or Conflict when it is over."""
    found = Delegation.objects.filter(pk=delegation_id, person=user).select_related("delegate").first()
    if found is None:
        raise NotFound("You have no such delegation.")
    with transaction.atomic():
        running = Delegation.objects.filter(pk=found.pk, ended_at=None, ends_at__gt=now)
        if not running.update(ended_at=now):
            raise Conflict("It is over already. Nothing was changed.")
        found.ended_at = now
        _record("delegation.ended", found, actor, now)
    return found


def _check_time(starts_at: datetime, ends_at: datetime) -> None:
    if ends_at <= starts_at:
        raise Invalid("It ends after it starts, and not in the past.", field="ends", msg="too early")
    if ends_at - starts_at > LONGEST:
        raise Invalid(f"At most {LONGEST.days} days at a time.", field="ends", msg="too late")


def _record(type: str, made: Delegation, actor: Actor, now: datetime, text: Text | None = None) -> None:
    record(
        type,
        actor=actor,
        at=now,
        subject=Subject("delegation", str(made.pk), f"{made.delegate.username} for {actor.label}"),
        data={
            "person": f"user:{made.person_id}",
            "delegate": f"user:{made.delegate_id}",
            "starts_at": made.starts_at,
            "ends_at": made.ends_at,
            "reason": commitment(text) if text else None,
        },
    )
