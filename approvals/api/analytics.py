"""`/hitl/analytics`: the summary and the audit log as JSON."""

from typing import Annotated, Any

from django.http import HttpResponse
from django.utils import timezone
from ninja import Field, Query, Router
from pydantic import AwareDatetime

from approvals.queries.decisions import ids_of
from approvals.queries.summary import summary as summarise
from audit.queries import EntryFilters, entries, row

from . import answers
from .caller import ApiRequest, Needs
from .lists import ListQuery, lead_on, wrong
from .openapi import with_headers

router = Router(tags=["analytics"])


@router.get(
    "/summary",
    auth=Needs("analytics:read"),
    response=answers.Summary,
    openapi_extra=with_headers("Age"),
    summary="Counts, times and rates of a period",
)
def summary(
    request: ApiRequest, since: AwareDatetime | None = None, until: AwareDatetime | None = None
) -> dict[str, Any]:
    """The reference API's numbers and more, over patches that arrived in the period (all of them by default)."""
    return summarise(since, until, timezone.now())


class AuditQuery(ListQuery):
    decision_id: str = ""
    patch_id: str = ""
    actor: str = ""
    action: str = ""
    since: AwareDatetime | None = None
    until: AwareDatetime | None = None
    limit: Annotated[int, Field(ge=1, le=1000)] = 100
    cursor: str = ""


@router.get(
    "/audit-logs",
    auth=Needs("audit:read"),
    response=list[answers.AuditEntry],
    openapi_extra=with_headers("Age", "Link"),
    summary="Entries of the audit log, newest first",
)
def audit_logs(request: ApiRequest, response: HttpResponse, query: Query[AuditQuery]) -> list[dict[str, Any]]:
    """The reference API's fields plus `seq` and `leaf_hash` (null until the sequencer has placed the entry). Each row's
    `cursor` leads to the rows after it; `Link: …; rel="next"` has that of the last one while there are more."""
    filters = EntryFilters(
        object_type="decision" if query.decision_id or query.patch_id else "",
        object_ids=ids_of(query.decision_id, query.patch_id),
        actor=query.actor,
        action=query.action,
        since=query.since,
        until=query.until,
    )
    found = [row(entry) for entry in entries(filters, before=_before(query.cursor), limit=query.limit + 1)]
    shown = found[: query.limit]
    if len(found) > query.limit:
        lead_on(request, response, shown[-1]["cursor"])
    return shown


def _before(cursor: str) -> int | None:
    if not cursor:
        return None
    if not (cursor.isdecimal() and len(cursor) < 19):
        raise wrong("cursor", "This cursor is not one of ours.")
    return int(cursor)
