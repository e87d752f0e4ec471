"""`/hitl/patches`: intake, the pending list, one patch and its diff. What people do with it is in `acting`."""

from typing import Annotated, Any, Literal
from urllib.parse import urlencode

from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.utils import timezone
from ninja import Field, Query, Router, Schema, Status

from approvals.errors import Invalid, NotAllowed
from approvals.models import Decision, PatchContent
from approvals.queries import decisions as find
from approvals.queries import queue
from approvals.queries.keyset import BadCursor, page
from approvals.services.intake import submit

from . import answers, shapes
from .answers import documented
from .bulk import answer_lines
from .caller import Caller, Needs
from .intake import submission_of
from .schemas import IntakeDocument

router = Router(tags=["patches"])
admin_router = Router(tags=["patches"])

BOTH = documented(answers.Intake)
BOTH["responses"][201] = BOTH["responses"][200]
NDJSON = {
    "requestBody": {"required": True, "content": {"application/x-ndjson": {"schema": {"type": "string"}}}},
    "responses": {
        200: {
            "description": "`{line, status, decision_id, revision}` or `{line, status, error}` per line, in order",
            "content": {"application/x-ndjson": {"schema": {"type": "string"}}},
        }
    },
}
BYTES = {
    "responses": {
        200: {
            "content": {"text/x-diff": {"schema": {"type": "string", "contentMediaType": "application/octet-stream"}}}
        }
    }
}


@router.post(
    "", auth=Needs("patches:submit"), response={200: Any, 201: Any}, openapi_extra=BOTH, summary="Push one patch"
)
def push(request: HttpRequest, document: IntakeDocument, response: HttpResponse) -> Status[dict[str, Any]]:
    """Content equal to any revision of this patch_id is a replay (200); other content is the next revision (201)."""
    caller = caller_of(request)
    created, answer = _take(caller, document, response)
    return Status(201 if created else 200, answer)


@admin_router.post(
    "/create-decision",
    auth=Needs("patches:submit"),
    response=Any,
    openapi_extra=documented(answers.Intake),
    summary="Push one patch (S1)",
)
def create_decision(request: HttpRequest, document: IntakeDocument, response: HttpResponse) -> dict[str, Any]:
    """The same as POST /hitl/patches for S1's callers, who expect 200; `X-Admin-Token` carries a producer token."""
    return _take(caller_of(request), document, response)[1]


def _take(caller: Caller, document: IntakeDocument, response: HttpResponse) -> tuple[bool, dict[str, Any]]:
    if caller.producer is None:
        raise NotAllowed("Only a producer token pushes patches.")
    taken = submit(submission_of(document), producer=caller.producer, actor=caller.actor, now=timezone.now())
    response["Location"] = reverse("hitl-api:decision", args=[taken.decision.decision_id])
    return taken.created, shapes.intake_answer(taken.decision, taken.newest_revision)


@router.post("/bulk", auth=Needs("patches:submit"), openapi_extra=NDJSON, summary="Push up to 1,000 patches as NDJSON")
def push_many(request: HttpRequest) -> HttpResponse:
    """One JSON document a line, at most 32 MiB; answered with one NDJSON line per input line, in order."""
    caller = caller_of(request)
    if caller.producer is None:
        raise NotAllowed("Only a producer token pushes patches.")
    return answer_lines(request, caller, caller.producer)


class PendingQuery(Schema):
    priority: Literal["low", "medium", "high", "critical"] | None = None
    severity: Literal["low", "medium", "high", "critical", "unknown"] | None = None
    cwe: str = ""
    cve: str = ""
    package: str = ""
    ecosystem: str = ""
    language: str = ""
    confidence_min: Annotated[float, Field(ge=0, le=1)] | None = None
    confidence_max: Annotated[float, Field(ge=0, le=1)] | None = None
    wargaming: Literal["passed", "failed", "inconclusive", "error", "not_run", "disagrees"] | None = None
    sla: Literal["ok", "warning", "breached", "none"] | None = None
    producer: str = ""
    policy: str = ""
    escalated: bool = False
    mine: bool = False
    q: Annotated[str, Field(max_length=200)] = ""
    sort: Literal["priority", "age", "sla", "confidence"] = "priority"
    limit: Annotated[int, Field(ge=1, le=100)] = 50
    cursor: str = ""
    offset: Annotated[int, Field(ge=0, le=10_000)] = 0

    def filters(self) -> queue.Filters:
        given = self.model_dump(exclude={"sort", "limit", "cursor", "offset"}, exclude_none=True)
        return queue.Filters(**given)


@router.get(
    "/pending",
    auth=Needs("decisions:read"),
    response=Any,
    openapi_extra=documented(list[answers.PendingRow]),
    summary="The pending queue",
)
def pending(request: HttpRequest, response: HttpResponse, query: Query[PendingQuery]) -> list[dict[str, Any]]:
    """In queue order; `X-Total-Count` is exact to 1,000, then `1000+`; `Link: …; rel="next"` leads on."""
    now = timezone.now()
    rows = queue.pending(query.filters(), now, caller_of(request).person)
    order = queue.ORDERS[query.sort]
    response["X-Total-Count"] = queue.counted_pending(rows).replace(",", "")
    if query.offset:
        found = list(rows.order_by(*order)[query.offset : query.offset + query.limit])
        return [shapes.pending_row(decision, now) for decision in found]
    try:
        shown = page(rows, order, query.cursor or None, query.limit)
    except BadCursor as error:
        raise Invalid(str(error), errors=[{"loc": ["query", "cursor"], "msg": str(error)}]) from error
    if shown.next:
        link = urlencode(request.GET.dict() | {"cursor": shown.next})
        response["Link"] = f'<{request.build_absolute_uri(request.path)}?{link}>; rel="next"'
    return [shapes.pending_row(decision, now) for decision in shown.rows]


@router.get(
    "/{patch_id}",
    auth=Needs("decisions:read"),
    response=Any,
    openapi_extra=documented(answers.PatchRecord),
    summary="One patch, without its diff",
)
def detail(
    request: HttpRequest, patch_id: str, revision: int | None = None, producer: str | None = None
) -> dict[str, Any]:
    """The newest revision unless one is given, with the list of revisions."""
    caller = caller_of(request)
    decision = _find(caller, patch_id, producer, revision)
    revisions = [
        {
            "revision": other.patch.revision,
            "decision_id": other.decision_id,
            "patch_sha256": other.patch.sha256,
            "status": other.status,
            "created_at": other.created_at,
        }
        for other in find.revisions(decision)
    ]
    return shapes.record(decision, find.with_reviews(decision), caller) | {"revisions": revisions}


@router.get(
    "/{patch_id}/diff", auth=Needs("decisions:read"), openapi_extra=BYTES, summary="The exact bytes of the diff"
)
def diff(request: HttpRequest, patch_id: str, revision: int | None = None, producer: str | None = None) -> HttpResponse:
    """For its producer, `diffs:read` and people who review; never interpreted."""
    caller = caller_of(request)
    decision = _find(caller, patch_id, producer, revision)
    if not (caller.reads_all or caller.owns(decision.patch.producer_id)):
        raise NotAllowed("Raw diffs go to their producer, to diffs:read and to reviewers.")
    return raw_diff(decision)


def raw_diff(decision: Decision) -> HttpResponse:
    """Return the stored bytes as text that no browser renders."""
    content = PatchContent.objects.get(patch=decision.patch_id)
    return HttpResponse(
        bytes(content.diff),
        content_type="text/x-diff",
        headers={
            "X-Content-Type-Options": "nosniff",
            "Content-Disposition": "attachment",
            "ETag": f'"{decision.patch.sha256}"',
        },
    )


def caller_of(request: HttpRequest) -> Caller:
    """Return the caller that the route's auth put on the request."""
    return request.auth  # type: ignore[attr-defined, no-any-return]


def _find(caller: Caller, patch_id: str, producer: str | None, revision: int | None) -> Decision:
    return find.by_patch_id(patch_id, owner=caller.producer, producer=producer, revision=revision)
