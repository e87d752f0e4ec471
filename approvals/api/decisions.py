"""`/hitl/decisions`: one decision, the feed, and verdicts on many items."""

from functools import partial
from typing import Annotated, Any

from django.http import HttpResponse
from django.utils import timezone
from ninja import Field, Query, Router

from approvals.errors import Conflict, Refusal, StepUpRequired
from approvals.live import wait_until
from approvals.models import Category, Channel, Displayed, Status, Verdict
from approvals.permissions import REVIEW_DECISION
from approvals.queries import composed
from approvals.queries import decisions as find
from approvals.queries.composed import Composed, ComposedRecord
from approvals.services import reviews, revocations
from approvals.services.deployers import keep_read

from . import answers
from .actions import on_named
from .caller import ApiRequest, Needs, NeedsPerson
from .lists import ListQuery
from .problems import page_of
from .records import Record
from .schemas import Acknowledge, BulkDecision, BulkItem
from .shapes import composed_list, json_answer, shown

router = Router(tags=["decisions"])


class FeedQuery(ListQuery):
    after: Annotated[int, Field(ge=0, le=2**62)] = 0
    limit: Annotated[int, Field(ge=1, le=1000)] = 100
    wait: Annotated[float, Field(ge=0, le=60)] = 0


@router.get(
    "",
    auth=Needs("decisions:read"),
    response=list[answers.FeedItem],
    summary="The gapless feed",
)
def decision_feed(request: ApiRequest, query: Query[FeedQuery]) -> HttpResponse:
    """One item per change to a non-pending status, at consecutive positions; `wait` blocks until there is one."""

    caller = request.auth

    def look() -> list[Composed] | None:
        found = composed.feed_items(query.after, query.limit)
        keep_read(caller.token, query.after, caught_up=not found, now=timezone.now())
        return found or None

    found = wait_until(look, query.wait, caller.actor.id) or []
    return composed_list(answers.FeedItem, found, caller.reader_of)


@router.post(
    "/bulk",
    auth=NeedsPerson(REVIEW_DECISION),
    response=list[answers.BulkResult],
    exclude_unset=True,
    summary="One verdict on up to 200 items",
)
def bulk(request: ApiRequest, body: BulkDecision) -> list[answers.BulkResult]:
    """Every item is checked as if it came alone and has its own result; approving critical in bulk is refused."""
    return [_one(request, body, item) for item in body.items]


@router.get(
    "/{decision_id}",
    auth=Needs("decisions:read"),
    response=Record,
    url_name="decision",
    summary="One decision",
)
def detail(request: ApiRequest, decision_id: str, wait: Annotated[float, Field(ge=0, le=60)] = 0) -> HttpResponse:
    """The reference API's record plus reviews, trace and revocation; `wait` blocks until it is no longer pending."""
    caller = request.auth
    record = composed.record(decision_id, caller.producer)

    def look() -> ComposedRecord | None:
        found = composed.record(str(record.decision_id))
        return found if found.status != Status.PENDING else None

    if record.status == Status.PENDING and wait:
        record = wait_until(look, wait, caller.actor.id) or composed.record(str(record.decision_id))
    return json_answer(shown(Record, caller.reader_of(record.producer_id), record.text))


@router.post(
    "/{decision_id}/acknowledge",
    auth=Needs("outcomes:report"),
    response=answers.Acknowledged,
    summary="Say that you have acted on an item of the feed",
)
def acknowledge(request: ApiRequest, decision_id: str, body: Acknowledge) -> answers.Acknowledged:
    """Kept once for each deployer and position; leads see which deployers have not yet acted on a revocation."""
    caller = request.auth
    ours = find.decision_id_of(decision_id, caller.producer)
    done = revocations.acknowledge(ours, body.position, token=caller.token, actor=caller.actor, now=timezone.now())
    return answers.Acknowledged(decision_id=done.decision_id, status=done.status, position=body.position)


def _one(request: ApiRequest, body: BulkDecision, item: BulkItem) -> answers.BulkResult:
    caller = request.auth
    assert caller.user is not None
    try:
        give = partial(
            reviews.review,
            verdict=Verdict(body.verdict),
            user=caller.user,
            actor=caller.actor,
            seen=reviews.Seen(item.patch_sha256, Displayed.API, Channel.BULK),
            now=timezone.now(),
            text=body.reason or "",
            category=body.category or (Category.OTHER if body.verdict == "reject" else ""),
            in_name_of=body.in_name_of,
        )
        decision = on_named(item.decision_id, give)
    except Refusal as error:
        more: dict[str, Any] = {"current": error.current} if isinstance(error, Conflict) else {}
        if isinstance(error, StepUpRequired):
            more |= {"type": error.type, "page": page_of(error)}
        return answers.BulkResult(decision_id=item.decision_id, status=error.status, detail=error.detail, **more)
    return answers.BulkResult(
        decision_id=str(decision.decision_id),
        status=200,
        decision=decision.status,
        approvals=decision.approvals,
        required_approvals=decision.required_approvals,
    )
