"""What people do with a patch over the API: verdicts, comments, escalation, more time, cancelling and revoking."""

from collections.abc import Callable
from contextlib import suppress
from datetime import datetime
from functools import partial
from typing import TypedDict
from uuid import UUID

from django.utils import timezone
from ninja import Router, Status

from approvals.errors import Conflict, NotAllowed, NotFound
from approvals.models import Channel, Comment, Decision, Displayed, Side, User, Verdict
from approvals.permissions import LEAD_DECISION, REVIEW_DECISION
from approvals.policy.visible_fields import Reader, sees, shown
from approvals.queries import decisions as find
from approvals.queries.decision_facts import current
from approvals.services import lifecycle, reviews
from audit.log import Actor

from . import answers
from .caller import ApiRequest, Caller, Needs, NeedsPerson
from .schemas import Approve, CommentBody, Extend, Reason, Reject, RequestChanges

router = Router(tags=["patches"])


@router.post(
    "/{patch_id}/approve",
    auth=NeedsPerson(REVIEW_DECISION),
    response=answers.Verdict,
    summary="Approve the digest you saw",
)
def approve(request: ApiRequest, patch_id: str, body: Approve) -> Decision:
    return _review(request, patch_id, body, Verdict.APPROVE, body.comment or "")


@router.post(
    "/{patch_id}/reject",
    auth=NeedsPerson(REVIEW_DECISION),
    response=answers.Rejected,
    summary="Reject it, with a reason",
)
def reject(request: ApiRequest, patch_id: str, body: Reject) -> answers.Rejected:
    decision = _review(request, patch_id, body, Verdict.REJECT, body.reason, body.category)
    said = None
    if body.comment and body.comment.strip():
        caller, said = request.auth, body.comment
        user, actor, now = caller.user, caller.actor, timezone.now()
        reviews.comment(decision.decision_id, said, user=user, actor=actor, now=now, most=None)
    return answers.Rejected(status=decision.status, decision_id=decision.decision_id, reason=body.reason, comment=said)


@router.post(
    "/{patch_id}/request-changes",
    auth=NeedsPerson(REVIEW_DECISION),
    response=answers.Reasoned,
    summary="Ask for another revision",
)
def request_changes(request: ApiRequest, patch_id: str, body: RequestChanges) -> answers.Reasoned:
    decision = _review(request, patch_id, body, Verdict.REQUEST_CHANGES, body.reason)
    return answers.Reasoned(status=decision.status, decision_id=decision.decision_id, reason=body.reason)


@router.post(
    "/{patch_id}/withdraw",
    auth=NeedsPerson(REVIEW_DECISION),
    response=answers.Withdrawn,
    summary="Take your own review back",
)
def withdraw(request: ApiRequest, patch_id: str, body: Reason) -> Decision:
    decision_id, user, acting = _person_and_seen(request, patch_id, body)
    return reviews.withdraw(decision_id, body.reason, user=user, **acting)


@router.post(
    "/{patch_id}/comment",
    auth=Needs("comments:write"),
    response={201: answers.Commented},
    summary="Add words, in any state",
)
def comment(request: ApiRequest, patch_id: str, body: CommentBody) -> Status[Comment]:
    """Of 10,000 characters at most; a revision takes 1,000 comments, further ones are 422."""
    caller = request.auth
    caller.check_identity(body.user)
    decision = _addressed(patch_id, body.decision_id, caller)
    reader = caller.reader_of(decision.patch.producer_id)
    if reader == Reader.OTHER_PRODUCER:
        raise NotAllowed("A producer comments on its own patches only.")
    if (body.file or body.line is not None) and not sees(reader, "diff"):
        # The answer would tell what the diff has.
        raise NotAllowed("Only who may read the diff comments at a place in it.")
    if body.patch_sha256 is not None:
        demand_seen(decision, body.patch_sha256, caller)
    added = reviews.comment(
        decision.decision_id,
        body.comment,
        user=caller.user,
        actor=caller.actor,
        now=timezone.now(),
        file=body.file or "",
        line=body.line,
        side=Side(body.side),
    )
    return Status(201, added)


@router.post(
    "/{patch_id}/escalate",
    auth=NeedsPerson(REVIEW_DECISION),
    response=answers.Escalated,
    summary="Ask the security leads",
)
def escalate(request: ApiRequest, patch_id: str, body: Reason) -> Decision:
    decision_id, user, acting = _person_and_seen(request, patch_id, body)
    return lifecycle.escalate(decision_id, body.reason, user=user, **acting)


@router.post(
    "/{patch_id}/extend",
    auth=NeedsPerson(LEAD_DECISION),
    response=answers.Extended,
    summary="Give more time to decide",
)
def extend(request: ApiRequest, patch_id: str, body: Extend) -> Decision:
    """Move the end by `seconds`; it may lie at most 30 days from now."""
    decision_id, user, acting = _person_and_seen(request, patch_id, body)
    return lifecycle.extend(decision_id, body.seconds, body.reason, user=user, **acting)


@router.post(
    "/{patch_id}/cancel",
    auth=Needs("patches:cancel"),
    response=answers.Ended,
    summary="Cancel it (its producer, or a lead)",
)
def cancel(request: ApiRequest, patch_id: str, body: Reason) -> Decision:
    caller, decision = _actor_and_item(request, patch_id, body)
    if caller.person or caller.owns(decision.patch.producer_id):  # to anybody else the service says why not, first
        demand_seen(decision, body.patch_sha256, caller)
    return lifecycle.cancel(
        decision.decision_id, body.reason, user=caller.user, producer=caller.producer, **_acting(caller)
    )


@router.post(
    "/{patch_id}/revoke",
    auth=NeedsPerson(LEAD_DECISION),
    response=answers.Ended,
    summary="Take an approval back",
)
def revoke(request: ApiRequest, patch_id: str, body: Reason) -> Decision:
    decision_id, user, acting = _person_and_seen(request, patch_id, body)
    return lifecycle.revoke(decision_id, body.reason, user=user, **acting)


class Acting(TypedDict):
    """The arguments that every service takes from its caller."""

    actor: Actor
    now: datetime
    channel: Channel


def _acting(caller: Caller) -> Acting:
    return {"actor": caller.actor, "now": timezone.now(), "channel": Channel.API}


def _addressed(patch_id: str, decision_id: str, caller: Caller) -> Decision:
    """Return the decision that the body names; refuse one that is not of the patch in the path."""
    decision = find.by_id(decision_id, caller.producer)
    reviews.demand_same(decision, patch_id)
    return decision


def demand_seen(decision: Decision, sha256: str, caller: Caller) -> None:
    """Refuse an act on content that is not the item's. Needs no lock: what a decision is about never changes."""
    if sha256 != decision.patch.sha256:
        raise Conflict(
            f"You acted on digest {sha256[:12]}, this revision has {decision.patch.sha256[:12]}. "
            "Nothing was changed; look at the present content.",
            current=shown(current(decision), caller.reader_of(decision.patch.producer_id)),
        )


def _actor_and_item(request: ApiRequest, patch_id: str, body: Reason) -> tuple[Caller, Decision]:
    caller = request.auth
    caller.check_identity(body.user)
    return caller, _addressed(patch_id, body.decision_id, caller)


def _person_and_seen(request: ApiRequest, patch_id: str, body: Reason) -> tuple[UUID, User, Acting]:
    """Return what a person acts on, whose digest they named, and who they are."""
    caller, decision = _actor_and_item(request, patch_id, body)
    demand_seen(decision, body.patch_sha256, caller)
    assert caller.user is not None
    return decision.decision_id, caller.user, _acting(caller)


def _review(
    request: ApiRequest,
    patch_id: str,
    body: Approve | Reject | RequestChanges,
    verdict: Verdict,
    text: str,
    category: str = "",
) -> Decision:
    caller = request.auth
    caller.check_identity(body.user)
    assert caller.user is not None
    give = partial(
        reviews.review,
        verdict=verdict,
        user=caller.user,
        actor=caller.actor,
        seen=reviews.Seen(body.patch_sha256, Displayed.API, Channel.API, patch_id=patch_id),
        now=timezone.now(),
        text=text,
        category=category,
        in_name_of=body.in_name_of,
    )
    return on_named(body.decision_id, give)


def on_named(decision_id: str, act: Callable[[UUID], Decision]) -> Decision:
    """Act on the decision with this name, which is our id or the producer's alias. Almost every name is our id, and
    then nothing is looked up before the lock."""
    if ours := find.as_uuid(decision_id):
        with suppress(NotFound):
            return act(ours)
    return act(find.decision_id_of(decision_id))
