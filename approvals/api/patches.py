"""`/hitl/patches`: intake, the pending list, one patch and its diff. What people do with one is in `actions`."""

from dataclasses import asdict
from datetime import datetime
from typing import Annotated, Any, Literal

from django.db.models import QuerySet
from django.http import HttpResponse
from django.urls import reverse
from django.utils import timezone
from ninja import Field, Query, Router, Status
from pydantic_core import to_json

from approvals.diff.canonical import canonical
from approvals.diff.parse import parse
from approvals.errors import Conflict, NotAllowed, NotFound
from approvals.models import Decision, PatchContent, Waiting
from approvals.policy.visible_fields import seeks_hidden, sees, unsought
from approvals.queries import composed, queue
from approvals.queries import decisions as find
from approvals.queries.keyset import BadCursor, cursor_at, page
from approvals.services import together
from approvals.services.deployments import record_fetch
from approvals.templatetags.number_tags import shown_count

from . import answers
from .bulk import answer_lines
from .caller import ApiRequest, Caller, Needs, NeedsProducer
from .intake import submission_of
from .lists import ListQuery, lead_on, wrong
from .openapi import reference, with_body, with_headers
from .records import PatchRecord, Record, RevisionRow
from .schemas import IntakeDocument
from .shapes import composed_list, json_answer, shown

router = Router(tags=["patches"])
admin_router = Router(tags=["patches"])

NDJSON = "application/x-ndjson"
TEXT = {"type": "string", "contentMediaType": NDJSON}
LINES = with_body(NDJSON, TEXT | {"contentSchema": reference("schemas", "BulkLine")}) | {
    "requestBody": {"required": True, "content": {NDJSON: {"schema": TEXT}}}
}


@router.post(
    "",
    auth=NeedsProducer("patches:submit"),
    response={200: answers.Intake, 201: answers.Intake},
    openapi_extra=with_headers("Location", statuses=(200, 201)),
    summary="Push one patch",
)
def push(request: ApiRequest, document: IntakeDocument, response: HttpResponse) -> Status[answers.Intake]:
    """Content equal to any revision of this patch_id is a replay (200); other content is the next revision (201)."""
    caller = request.auth
    created, answer = _take(caller, document, response)
    return Status(201 if created else 200, answer)


@admin_router.post(
    "/create-decision",
    auth=NeedsProducer("patches:submit"),
    response=answers.Intake,
    openapi_extra=with_headers("Location"),
    summary="Push one patch (reference API)",
)
def create_decision(request: ApiRequest, document: IntakeDocument, response: HttpResponse) -> answers.Intake:
    """As POST /hitl/patches, but always 200, as callers of the reference API expect; takes `X-Admin-Token` too."""
    return _take(request.auth, document, response)[1]


def _take(caller: Caller, document: IntakeDocument, response: HttpResponse) -> tuple[bool, answers.Intake]:
    assert caller.producer is not None
    taken = together.submit(submission_of(document), producer=caller.producer, actor=caller.actor, now=timezone.now())
    response["Location"] = reverse("hitl-api:decision", args=[taken.decision.decision_id])
    return taken.created, answers.Intake.model_validate(taken)


@router.post(
    "/bulk",
    auth=NeedsProducer("patches:submit"),
    openapi_extra=LINES,
    summary="Push up to 1,000 patches as NDJSON",
)
def push_many(request: ApiRequest) -> HttpResponse:
    """One JSON document a line, at most 32 MiB; answered with one NDJSON line per input line, in order."""
    caller = request.auth
    assert caller.producer is not None
    return answer_lines(request, caller, caller.producer)


class PendingQuery(ListQuery):
    priority: Literal["low", "medium", "high", "critical"] | None = None
    severity: Annotated[
        Literal["low", "medium", "high", "critical", "unknown"] | None,
        Field(description="the row's `effective_severity`, which may be above the one sent"),
    ] = None
    kind: Literal["patch", "gate"] | None = None
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
    careful: bool = False
    mine: bool = False
    lines: Annotated[
        str,
        Field(
            pattern="^([0-9a-f]{64})?$",
            description="patches with this digest of their added and deleted lines, exact or without whitespace",
        ),
    ] = ""
    q: Annotated[str, Field(max_length=200)] = ""
    sort: Literal["priority", "age", "sla", "confidence"] = "priority"
    limit: Annotated[int, Field(ge=1, le=100)] = 50
    cursor: str = ""
    offset: Annotated[int, Field(ge=0, le=10_000)] = 0

    def filters(self) -> queue.Filters:
        given = self.model_dump(exclude={"sort", "limit", "cursor", "offset"}, exclude_none=True)
        return queue.Filters(**given)

    def narrowing(self) -> set[str]:
        """Return the names of the filters that are set."""
        return {name for name, value in asdict(self.filters()).items() if value}


@router.get(
    "/pending",
    auth=Needs("decisions:read"),
    response=list[answers.PendingRow],
    openapi_extra=with_headers("X-Total-Count", "Link"),
    summary="The pending queue",
)
def pending(request: ApiRequest, query: Query[PendingQuery]) -> HttpResponse:
    """In queue order; `X-Total-Count` is exact to 1,000, then `1000+`; `Link: …; rel="next"` leads on. What a caller
    may not see finds nothing: to a producer, `q`, `lines` and `careful` find its own patches only; to a deployer, `q`
    finds no patch by who submitted it, and `lines` finds none."""
    now = timezone.now()
    narrow = _findable(request.auth, query, now)
    keys, cursor = _from_offset(narrow, query) if query.offset else _from_cursor(narrow, query)
    answer = composed_list(answers.PendingRow, composed.pending_rows(keys, now), request.auth.reader_of)
    is_whole = bool(keys) and not (cursor or query.cursor or query.offset)
    total = len(keys) if is_whole else _counted(narrow, query.filters())
    answer["X-Total-Count"] = shown_count(total).replace(",", "")
    if cursor:
        lead_on(request, answer, cursor)
    return answer


def _findable(caller: Caller, query: PendingQuery, now: datetime) -> QuerySet[Waiting]:
    """Return the rows that match. A filter on what the caller may not see matches nothing of others."""
    filters, others = query.filters(), caller.reader_of_others
    hidden, unseen = seeks_hidden(others, query.narrowing()), unsought(others)
    if caller.producer and (hidden or (filters.q and unseen)):
        return queue.queue_rows(filters, now).filter(producer=caller.producer)
    rows = queue.queue_rows(filters, now, caller.person, unseen)
    return rows.none() if hidden else rows


def _counted(narrow: QuerySet[Waiting], filters: queue.Filters) -> int:
    return queue.count_all() if filters == queue.Filters() else queue.counted(narrow)


def _from_cursor(narrow: QuerySet[Waiting], query: PendingQuery) -> tuple[list[int], str | None]:
    order = queue.ORDERS[query.sort]
    try:
        shown = page(_placed(narrow, order), order, query.cursor or None, query.limit)
    except BadCursor as error:
        raise wrong("cursor", str(error)) from error
    return [row.pk for row in shown.rows], shown.next


def _from_offset(narrow: QuerySet[Waiting], query: PendingQuery) -> tuple[list[int], str | None]:
    """Return the keys from a place counted in the list, as the reference API pages; the next page goes on by cursor."""
    if query.cursor:
        raise wrong("offset", "A cursor says where to begin; send it or offset, not both.")
    order = queue.ORDERS[query.sort]
    found = list(_placed(narrow, order).order_by(*order)[query.offset : query.offset + query.limit + 1])
    shown = found[: query.limit]
    return [row.pk for row in shown], cursor_at(False, shown[-1], order) if len(found) > query.limit else None


def _placed(narrow: QuerySet[Waiting], order: list[str]) -> QuerySet[Any]:
    """Return of each row no more than where it stands in the list."""
    return narrow.values_list(*(column.lstrip("-") for column in order), named=True)


@router.get(
    "/{patch_id}",
    auth=Needs("decisions:read"),
    response=PatchRecord,
    summary="One patch, without its diff",
)
def detail(
    request: ApiRequest, patch_id: str, revision: int | None = None, producer: str | None = None
) -> HttpResponse:
    """The newest revision unless one is given, with the list of revisions."""
    caller = request.auth
    decision = _find(caller, patch_id, producer, revision)
    record = composed.record(str(decision.decision_id))
    revisions = to_json([RevisionRow.model_validate(revision) for revision in find.revisions(decision)]).decode()
    whole = shown(Record, caller.reader_of(record.producer_id), record.text)
    return json_answer(f'{whole[:-1]},"revisions":{revisions}}}')


@router.get(
    "/{patch_id}/diff",
    auth=Needs("decisions:read"),
    openapi_extra=with_body("text/x-diff", {"type": "string", "format": "binary"}),
    summary="The exact bytes of the diff",
)
def diff(
    request: ApiRequest,
    patch_id: str,
    revision: int | None = None,
    producer: str | None = None,
    form: Literal["sent", "canonical"] = "sent",
) -> HttpResponse:
    """For its producer, `diffs:read` and people who review; as sent, or canonical (409 where no such form is safe)."""
    caller = request.auth
    decision = _find(caller, patch_id, producer, revision)
    if not sees(caller.reader_of(decision.patch.producer_id), "diff"):
        raise NotAllowed("Raw diffs go to their producer, to diffs:read and to reviewers.")
    answer = canonical_diff(decision) if form == "canonical" else raw_diff(decision)
    record_fetch(decision, token=caller.token, now=timezone.now())
    return answer


def canonical_diff(decision: Decision) -> HttpResponse:
    """Return the patch's change alone in git's form. Raise NotFound (a gate), Conflict (no form is safe)."""
    if decision.patch.is_gate:
        raise NotFound("A workflow gate has no diff.")
    patch = decision.patch
    if not patch.canonical_sha256:
        why = patch.no_canonical or "It came before such forms were made: `manage.py fill_same_lines` reads it again."
        raise Conflict(f"This patch has no canonical form. {why}")
    found = canonical(parse(bytes(PatchContent.objects.get(patch=decision.patch_id).diff)))
    if found.data is None or found.sha256 != patch.canonical_sha256:
        raise Conflict("Its canonical form would not be the one that was judged, so there is none: take it as sent.")
    return _text(found.data, found.sha256)


def raw_diff(decision: Decision) -> HttpResponse:
    """Return the stored bytes as text that no browser renders. Raise NotFound for a workflow gate."""
    if decision.patch.is_gate:
        raise NotFound("A workflow gate has no diff.")
    content = PatchContent.objects.get(patch=decision.patch_id)
    return _text(bytes(content.diff), decision.patch.sha256)


def _text(data: bytes, sha256: str | None) -> HttpResponse:
    return HttpResponse(
        data,
        content_type=f"text/x-diff; charset={_charset(data)}",
        headers={
            "X-Content-Type-Options": "nosniff",
            "Content-Disposition": f'attachment; filename="{sha256}.diff"',
            "ETag": f'"{sha256}"',
        },
    )


def _charset(data: bytes) -> str:
    """Return `utf-8` for valid UTF-8, else `unknown-8bit` (RFC 1428): nobody said which encoding it is."""
    try:
        data.decode()
    except UnicodeDecodeError:
        return "unknown-8bit"
    return "utf-8"


def _find(caller: Caller, patch_id: str, producer: str | None, revision: int | None) -> Decision:
    return find.by_patch_id(patch_id, owner=caller.producer, producer=producer, revision=revision)
