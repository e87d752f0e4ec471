"""People's verdicts and comments: the only writer of reviews, whatever the channel."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db import transaction

from approvals.accounts.services.owners import demand_own
from approvals.diff.parse import parse, unread
from approvals.diff.positions import wrong_place
from approvals.errors import Conflict, Invalid, NotAllowed, Refusal, StepUpRequired
from approvals.models import (
    MAX_COMMENT,
    MOST_COMMENTS,
    Bypass,
    Category,
    Channel,
    Comment,
    DeciderKind,
    Decision,
    Displayed,
    Patch,
    PatchContent,
    PatchView,
    Review,
    Side,
    Status,
    Text,
    User,
    Verdict,
)
from approvals.policy.quorum import Approver, missing
from approvals.policy.rules import Intent, Stale, StepUp, absent_of, refusal
from approvals.queries.bypasses import grant
from approvals.queries.decision_facts import current, decision_facts, outcome
from approvals.queries.people import approvers
from approvals.queries.same_lines import read_alike
from approvals.queries.verdict_context import verdict_context
from audit.log import Actor, NewEntry, record, record_all
from postgresql.insertion import insert

from . import bypasses
from .candidates import LockFirst, end_others, lock_pending
from .decision_lock import FOR_VERDICT_SQL, lock_decision
from .ending import commitment, end, policy_ref, subject
from .reasons import check_reason
from .refusals import audit_decision_refusal


@dataclass(frozen=True, slots=True)
class Seen:
    """What comes with a verdict: the digest that the reviewer saw and where, when they opened it, when they last proved
    who they are (by any means, and by a second factor), the emergency bypass they chose to use, and the `patch_id` they
    named beside the decision."""

    sha256: str
    displayed: Displayed = Displayed.PAGE
    channel: Channel = Channel.PAGE
    opened_at: datetime | None = None
    authenticated_at: datetime | None = None
    bypass: int | None = None
    patch_id: str | None = None
    factor_at: datetime | None = None


def review(
    decision_id: UUID,
    verdict: Verdict,
    *,
    user: User,
    actor: Actor,
    seen: Seen,
    now: datetime,
    text: str = "",
    category: Category | str = "",
    in_name_of: int | str | None = None,
) -> Decision:
    """Record one person's verdict and, when the policy's quorum is reached, end the decision. With `in_name_of` (a key,
    user name or e-mail address) it counts for that absent person, who delegated it; the review names both. A bypass
    replaces missing approvals; if none is missing, it is not used. Where the policy says so, an approval ends the other
    candidates for the same vulnerability with it.

    Raise NotFound, NotAllowed (a rule on the person), Conflict (decided, changed or reviewed meanwhile) or
    Invalid (no reason, too long). A refusal writes an audit entry of its own and nothing else.
    """
    check_text(verdict, text, category)
    given = (decision_id, verdict, user, actor, seen, now, text.strip(), category, in_name_of)
    with audit_decision_refusal(decision_id, verdict, actor=actor, now=now, channel=seen.channel):
        try:
            with transaction.atomic():
                return _review(*given)
        except LockFirst as first:
            with transaction.atomic():
                return _review(*given, lock_pending(first.keys))


def check_text(verdict: Verdict, text: str, category: Category | str) -> None:
    """Raise Invalid unless text and category fit the verdict; lengths in characters."""
    if verdict == Verdict.APPROVE:
        if len(text) > MAX_COMMENT:
            raise Invalid(
                f"A comment may have {MAX_COMMENT:,} characters.", field="comment", part="body", msg="too long"
            )
        return
    check_reason(text)
    if verdict == Verdict.REJECT and category not in Category.values:
        raise Invalid(
            "Choose what is wrong with the patch.", field="category", part="body", msg="not one of the categories"
        )


def comment(
    decision_id: UUID,
    body: str,
    *,
    user: User | None,
    actor: Actor,
    now: datetime,
    file: str = "",
    line: int | None = None,
    side: Side = Side.NEW,
    most: int | None = MOST_COMMENTS,
) -> Comment:
    """Add a comment to a patch in any state; `side` says whether `line` counts in the old or the new file. Raise
    NotFound, or Invalid, also for a file or line that is not in this revision's diff, and where it has `most` comments
    (None: any number, for words beside a rejection, which ends it)."""
    if not body.strip():
        raise Invalid("Write something first.", field="comment", part="body", msg="required")
    if len(body) > MAX_COMMENT:
        raise Invalid(f"A comment may have {MAX_COMMENT:,} characters.", field="comment", part="body", msg="too long")
    if file or line is not None:
        _check_position(decision_id, file, line, side)
    with transaction.atomic():
        decision = lock_decision(decision_id)
        if most is not None and Comment.objects.filter(decision=decision).count() >= most:
            raise Invalid(
                f"This patch has {most:,} comments; no more are taken.", field="comment", part="body", msg="too many"
            )
        text = Text.objects.create(body=body)
        added = Comment.objects.create(
            decision=decision,
            author=user,
            author_label=actor.label,
            text=text,
            file=file,
            line=line,
            side=side,
            created_at=now,
        )
        record(
            "comment.added",
            actor=actor,
            at=now,
            subject=subject(decision),
            patch_sha256=decision.patch.sha256,
            data={"comment": commitment(text), "file": file or None, "line": line, "side": added.side_of_line},
        )
    return added


def _check_position(decision_id: UUID, file: str, line: int | None, side: Side) -> None:
    """Raise Invalid if the diff has no such line. Parses before the row is locked: a large diff takes a while."""
    content = PatchContent.objects.filter(patch__decision__decision_id=decision_id).select_related("patch").first()
    parser = parse if content is None or content.patch.parsed else unread
    diff = parser(bytes(content.diff) if content else b"")
    if problem := wrong_place(diff, file, line, old=side == Side.OLD):
        field, sentence = problem
        raise Invalid(sentence, field=field, part="body")


def withdraw(
    decision_id: UUID, reason: str, *, user: User, actor: Actor, now: datetime, channel: Channel = Channel.PAGE
) -> Decision:
    """Withdraw one's own review while the decision is pending. Raise NotFound, NotAllowed, Conflict or Invalid."""
    check_text(Verdict.REQUEST_CHANGES, reason, "")
    with audit_decision_refusal(decision_id, "withdraw", actor=actor, now=now, channel=channel), transaction.atomic():
        decision = lock_decision(decision_id)
        demand_own(user)
        if decision.status != Status.PENDING:
            raise Conflict(f"{outcome(decision)} Reviews of a decided patch stand.", current=current(decision))
        live = list(decision.reviews.filter(withdrawn_at=None))
        own_review = next((each for each in live if each.reviewer_id == user.pk), None)
        if own_review is None:
            raise Conflict("You have no review here to withdraw.", current=current(decision))
        own_review.withdrawn_at = now
        own_review.save(update_fields=["withdrawn_at"])
        remaining = approvers(
            (each.reviewer_id for each in live if each.pk != own_review.pk and each.verdict == Verdict.APPROVE),
            deciders=decision.policy_version.decider_groups,
        )
        decision.approvals = len(remaining)
        decision.save(update_fields=["approvals"])
        text = Text.objects.create(body=reason.strip())
        record(
            "review.withdrawn",
            actor=actor,
            at=now,
            subject=subject(decision),
            patch_sha256=decision.patch.sha256,
            data={"verdict": own_review.verdict, "reason": commitment(text)},
        )
    return decision


def open_page(patch: Patch, user: User, now: datetime) -> None:
    """Save that this person opened this patch's page; the first time is kept."""
    PatchView.objects.bulk_create([PatchView(patch=patch, user=user, opened_at=now)], ignore_conflicts=True)


def demand_same(decision: Decision, patch_id: str) -> None:
    """Raise Invalid if a caller names a decision together with the patch_id of another patch."""
    if decision.patch.patch_id != patch_id:
        raise Invalid(
            "The path's patch_id is not the one of this decision_id.",
            field="patch_id",
            part="path",
            msg="does not match decision_id",
        )


def _review(
    decision_id: UUID,
    verdict: Verdict,
    user: User,
    actor: Actor,
    seen: Seen,
    now: datetime,
    text: str,
    category: Category | str,
    in_name_of: int | str | None,
    locked: Sequence[Decision] | None = None,
) -> Decision:
    decision = lock_decision(decision_id, FOR_VERDICT_SQL)
    if seen.patch_id is not None:
        demand_same(decision, seen.patch_id)
    context = verdict_context(decision, user, actor.authn, now)
    alone = seen.bypass is not None and verdict == Verdict.APPROVE
    bypass = bypasses.find_locked(seen.bypass) if seen.bypass is not None and alone else None
    intent = Intent(
        verdict=verdict,
        seen_sha256=seen.sha256,
        displayed=seen.displayed,
        opened=context.opened,
        bulk=seen.channel == Channel.BULK,
        in_name_of=in_name_of,
        authenticated_at=seen.authenticated_at,
        factor_at=seen.factor_at,
        alone=alone,
        read=read_alike([decision.patch_id], user.pk) if seen.channel == Channel.BULK and not context.opened else (),
    )
    bypass_grant = grant(bypass, decision) if bypass else None
    if sentence := refusal(decision_facts(decision, context.live, bypass_grant), context.reviewer, intent, now):
        raise _as_error(sentence, decision)
    absent = absent_of(context.reviewer, intent)
    if absent:
        actor = replace(actor, label=f"{actor.label} for {absent.username}"[:150])
    body = Text.objects.create(body=text) if text else None
    new_review = Review(
        decision=decision,
        reviewer=user,
        delegated_from_id=absent.id if absent else None,
        verdict=verdict,
        patch_sha256=seen.sha256,
        text=body,
        category=category if verdict == Verdict.REJECT else "",
        displayed=seen.displayed,
        channel=seen.channel,
        authn=actor.authn,
        seconds_open=_seconds(seen.opened_at, now),
        created_at=now,
    )
    insert([new_review])
    same_verdict = {user.pk, *(other.reviewer_id for other in context.live if other.verdict == verdict)}
    agreeing = approvers(same_verdict, context.memberships, decision.policy_version.decider_groups)
    if verdict == Verdict.APPROVE:
        ended = _count_approval(decision, agreeing, user, actor, seen, now, bypass)
        if ended:
            ended += end_others(decision, locked, now=now, channel=seen.channel)
    else:
        ended = _count_refusal(decision, agreeing, new_review, user, actor, now)
    review_entry = _review_entry(decision, new_review, actor)
    record_all([review_entry, *ended], at=now, wake=bool(ended), ends={review_entry.subject.key: context.last_entry})
    return decision


def _count_approval(
    decision: Decision,
    people: list[Approver],
    user: User,
    actor: Actor,
    seen: Seen,
    now: datetime,
    bypass: Bypass | None,
) -> list[NewEntry]:
    """End the decision if the approvals of this digest, by these people who may still decide, reach the quorum, or a
    locked bypass replaces the missing ones. Return the entries to record; none while the decision stays pending."""
    decision.approvals = len(people)
    lacking = missing(people, decision.required_approvals, decision.required_groups)
    if lacking and bypass is None:
        Decision.objects.filter(pk=decision.pk).update(approvals=decision.approvals)
        return []
    used_bypass = bypass if lacking else None
    counted = f"{len(people)} of {decision.required_approvals} approvals under {decision.policy_version}"
    approved_by: dict[str, Any] = {"approvers": [f"user:{approver.id}" for approver in people]}
    entry = end(
        decision,
        Status.APPROVED,
        actor=actor,
        now=now,
        kind=DeciderKind.HUMAN,
        channel=seen.channel,
        cause=f"Alone, under {used_bypass}: {counted}" if used_bypass else counted,
        user=user,
        data=approved_by | {"bypass": used_bypass.pk, "lacking": lacking} if used_bypass else approved_by,
        bypass=used_bypass,
    )
    return [entry, bypasses.use_of(used_bypass, decision, lacking, actor)] if used_bypass else [entry]


def _count_refusal(
    decision: Decision, people: list[Approver], new_review: Review, user: User, actor: Actor, now: datetime
) -> list[NewEntry]:
    """End the decision if another revision is asked for, or if the rejections, by these people who may still decide,
    are as many as the policy asks for. Return the entry to record; none while the decision stays pending."""
    threshold = decision.policy_version.deny_threshold
    if new_review.verdict == Verdict.REQUEST_CHANGES:
        status, cause = Status.CHANGES_REQUESTED, "A reviewer asked for another revision"
    elif len(people) >= threshold:
        status = Status.REJECTED
        cause = "One refusal ends it" if threshold == 1 else f"{len(people)} of {threshold} rejections"
    else:
        return []
    entry = end(
        decision,
        status,
        actor=actor,
        now=now,
        kind=DeciderKind.HUMAN,
        channel=Channel(new_review.channel),
        cause=cause,
        user=user,
        text=new_review.text,
        category=new_review.category,
    )
    return [entry]


def _review_entry(decision: Decision, new_review: Review, actor: Actor) -> NewEntry:
    return NewEntry(
        "review.recorded",
        actor,
        subject(decision),
        patch_sha256=new_review.patch_sha256,
        policy=policy_ref(decision),
        data={
            "verdict": new_review.verdict,
            "in_name_of": f"user:{new_review.delegated_from_id}" if new_review.delegated_from_id else None,
            "category": new_review.category or None,
            "text": commitment(new_review.text) if new_review.text else None,
            "displayed": new_review.displayed,
            "channel": new_review.channel,
            "seconds_open": new_review.seconds_open,
        },
    )


def _as_error(sentence: str, decision: Decision) -> Refusal:
    if isinstance(sentence, Stale):
        return Conflict(sentence, current=current(decision))
    if isinstance(sentence, StepUp):
        return StepUpRequired(sentence, decision_id=decision.decision_id)
    return NotAllowed(sentence)


def _seconds(opened_at: datetime | None, now: datetime) -> int | None:
    if opened_at is None or opened_at > now:
        return None
    return min(int((now - opened_at).total_seconds()), 86_400)
