"""`/api/approvals`: workflow gates, which a workflow waits for; intake, rules and decisions are those of patches."""

from typing import Annotated, Any, Literal

from django.db.models import QuerySet
from django.http import HttpResponse
from django.urls import reverse
from django.utils import timezone
from ninja import Field, Query, Router
from ninja import Status as Answered
from pydantic import AwareDatetime

from approvals.live import wait_until
from approvals.models import Channel, Decision, Displayed, Status, Verdict
from approvals.permissions import REVIEW_DECISION
from approvals.queries import decisions as find
from approvals.queries import gates as queries
from approvals.queries.queue import COUNT_LIMIT
from approvals.services import lifecycle, reviews
from approvals.services.intake import submit

from . import gate_answers as answers
from .actions import demand_seen
from .caller import ApiRequest, Caller, Needs, NeedsPerson, NeedsProducer
from .gate_documents import GateApproval, GateReason, GateRejection, GateRequest, submission_of
from .lists import ListQuery, wrong
from .openapi import with_headers

router = Router(tags=["workflow gates"])

MAX_OFFSET = 10_000
EndWord = Literal[
    "approved", "auto_approved", "rejected", "changes_requested", "expired", "cancelled", "superseded", "revoked"
]


@router.post(
    "",
    auth=NeedsProducer("patches:submit"),
    response={200: answers.GateTaken, 201: answers.GateTaken},
    openapi_extra=with_headers("Location", statuses=(200, 201)),
    summary="Ask for an approval",
)
def ask(request: ApiRequest, body: GateRequest, response: HttpResponse) -> Answered[answers.GateTaken]:
    """One gate for each workflow_id, job_id and execution_id. The same request again is a replay (200), another one
    is its next revision (201) and ends the pending one. What is asked may tighten the policy, never loosen it."""
    caller = request.auth
    assert caller.producer is not None
    taken = submit(submission_of(body), producer=caller.producer, actor=caller.actor, now=timezone.now())
    decision = find.by_id(str(taken.decision.decision_id))
    response["Location"] = reverse("hitl-api:gate", args=[decision.decision_id])
    answer = answers.GateTaken.model_construct(
        **dict(_shown(decision, caller)), newest_revision=taken.newest_revision, notes=answers.notes(decision)
    )
    return Answered(201 if taken.created else 200, answer)


class Gates(ListQuery):
    workflow_id: str = ""
    job_id: str = ""
    execution_id: str = ""
    page: Annotated[int, Field(ge=1, le=MAX_OFFSET)] = 1
    page_size: Annotated[int, Field(ge=1, le=100)] = 20


class PendingGates(Gates):
    mine: bool = False


class PastGates(Gates):
    status: EndWord | None = None
    since: AwareDatetime | None = None
    until: AwareDatetime | None = None

    def filters(self) -> queries.GateFilters:
        return queries.GateFilters(
            self.workflow_id, self.job_id, self.execution_id, self.status or "", self.since, self.until
        )


class AnyGates(PastGates, PendingGates):
    type: Literal["pending", "history"] = "pending"


@router.get(
    "",
    auth=Needs("decisions:read"),
    response=answers.GateList,
    summary="Gates that wait, or past ones",
)
def either(request: ApiRequest, query: Query[AnyGates]) -> answers.GateList:
    """`type=pending` is /api/approvals/pending and `type=history` is /api/approvals/history, under one address."""
    if query.type == "history":
        if query.mine:
            raise wrong("mine", "Only the pending are anybody's.")
        return _past(request.auth, query)
    for name in ("status", "since", "until"):
        if getattr(query, name):
            raise wrong(name, "This narrows the history, not what is pending.")
    return _pending(request.auth, query)


@router.get(
    "/pending",
    auth=Needs("decisions:read"),
    response=answers.GateList,
    summary="Gates that wait, in queue order",
)
def pending(request: ApiRequest, query: Query[PendingGates]) -> answers.GateList:
    """A producer gets its own, everybody else all; `mine` are those that need the caller's approval."""
    return _pending(request.auth, query)


@router.get(
    "/history",
    auth=Needs("decisions:read"),
    response=answers.GateList,
    summary="Decided gates, newest first",
)
def history(request: ApiRequest, query: Query[PastGates]) -> answers.GateList:
    """A producer gets its own, everybody else all; `since` and `until` compare when a gate was asked for."""
    return _past(request.auth, query)


class Period(ListQuery):
    since: AwareDatetime | None = None
    until: AwareDatetime | None = None


@router.get(
    "/stats",
    auth=Needs("decisions:read"),
    response=answers.GateStats,
    summary="Gates in numbers",
)
def stats(request: ApiRequest, query: Query[Period]) -> dict[str, Any]:
    """Over gates asked for in the period (all by default): a producer's own; for a person with their own part."""
    caller, now = request.auth, timezone.now()
    rows = queries.gates(queries.GateFilters(since=query.since, until=query.until), caller.producer)
    mine = queries.gate_statistics_of(caller.person, rows, now) if caller.person else None
    return queries.gate_statistics(rows) | {"user_summary": mine}


@router.get(
    "/{gate_id}",
    auth=Needs("decisions:read"),
    response=answers.GateAnswer,
    url_name="gate",
    summary="One gate",
)
def detail(request: ApiRequest, gate_id: str, wait: Annotated[float, Field(ge=0, le=60)] = 0) -> answers.GateAnswer:
    """`wait` blocks until it is no longer pending, or for so many seconds."""
    caller = request.auth
    decision = queries.gate_by_id(gate_id, caller.producer)

    def look() -> Decision | None:
        found = queries.gate_by_id(gate_id, caller.producer)
        return found if found.status != Status.PENDING else None

    if decision.status == Status.PENDING and wait:
        decision = wait_until(look, wait, caller.actor.id) or queries.gate_by_id(gate_id, caller.producer)
    return _shown(decision, caller)


@router.post(
    "/{gate_id}/approve",
    auth=NeedsPerson(REVIEW_DECISION),
    response=answers.GateAnswer,
    summary="Approve the digest you saw",
)
def approve(request: ApiRequest, gate_id: str, body: GateApproval) -> answers.GateAnswer:
    """`status` stays `pending` until the quorum is reached."""
    return _review(request, gate_id, body, Verdict.APPROVE, body.comment or "")


@router.post(
    "/{gate_id}/reject",
    auth=NeedsPerson(REVIEW_DECISION),
    response=answers.GateAnswer,
    summary="Reject it, with a reason",
)
def reject(request: ApiRequest, gate_id: str, body: GateRejection) -> answers.GateAnswer:
    answer = _review(request, gate_id, body, Verdict.REJECT, body.reason, body.category)
    if body.comment and body.comment.strip():
        caller = request.auth
        user, actor, now = caller.user, caller.actor, timezone.now()
        reviews.comment(answer.id, body.comment, user=user, actor=actor, now=now, most=None)
        answer.comment = body.comment
    return answer


@router.post(
    "/{gate_id}/cancel",
    auth=Needs("patches:cancel"),
    response=answers.GateAnswer,
    summary="Cancel it (its producer, or a lead)",
)
def cancel(request: ApiRequest, gate_id: str, body: GateReason) -> answers.GateAnswer:
    caller = request.auth
    decision = queries.gate_by_id(gate_id, caller.producer)
    demand_seen(decision, body.digest, caller)
    lifecycle.cancel(
        decision.decision_id,
        body.reason,
        actor=caller.actor,
        now=timezone.now(),
        channel=Channel.API,
        user=caller.user,
        producer=caller.producer,
    )
    return _shown(queries.gate_by_id(gate_id, caller.producer), caller)


def _review(
    request: ApiRequest,
    gate_id: str,
    body: GateApproval | GateRejection,
    verdict: Verdict,
    text: str,
    category: str = "",
) -> answers.GateAnswer:
    caller = request.auth
    assert caller.user is not None
    reviews.review(
        queries.gate_by_id(gate_id, None).decision_id,
        verdict,
        user=caller.user,
        actor=caller.actor,
        seen=reviews.Seen(body.digest, Displayed.API, Channel.API),
        now=timezone.now(),
        text=text,
        category=category,
        in_name_of=body.in_name_of,
    )
    return _shown(queries.gate_by_id(gate_id, None), caller)


def _shown(decision: Decision, caller: Caller) -> answers.GateAnswer:
    reader = caller.reader_of(decision.patch.producer_id)
    return answers.gate(decision, find.with_reviews(decision), reader)


def _pending(caller: Caller, query: PendingGates) -> answers.GateList:
    if query.mine and caller.person is None:
        raise wrong("mine", "Only a person's approval is ever needed.")
    rows = queries.gates(queries.GateFilters(query.workflow_id, query.job_id, query.execution_id), caller.producer)
    return _page(queries.pending_gates(rows, caller.person if query.mine else None), caller, query)


def _past(caller: Caller, query: PastGates) -> answers.GateList:
    return _page(queries.ended(queries.gates(query.filters(), caller.producer)), caller, query)


def _page(rows: QuerySet[Decision], caller: Caller, query: Gates) -> answers.GateList:
    first = (query.page - 1) * query.page_size
    if first > MAX_OFFSET:
        raise wrong("page", f"A list leads {MAX_OFFSET:,} rows far; narrow it.")
    found, total = queries.part(rows, first, query.page_size)
    reader_of = caller.reader_of
    return answers.GateList(
        approvals=[
            answers.gate(decision, list(decision.reviews.all()), reader_of(decision.patch.producer_id))
            for decision in found
        ],
        total=min(total, COUNT_LIMIT),
        total_is_exact=total <= COUNT_LIMIT,
        page=query.page,
        page_size=query.page_size,
    )
