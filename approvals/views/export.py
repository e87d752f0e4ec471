"""The history as CSV, safe to open in a spreadsheet."""

import csv
import re
from collections.abc import Iterator
from datetime import datetime
from itertools import chain, islice
from typing import Any

from django.conf import settings
from django.db import connection
from django.http import StreamingHttpResponse
from django.utils import timezone
from django.views.decorators.http import require_safe

from approvals.actors import person_actor
from approvals.forms import HistoryForm
from approvals.models import Decision, Priority
from approvals.policy.visible_fields import Reader, sees, why_hidden
from approvals.queries import history as queries
from approvals.requests import Request
from approvals.services.exports import record_export

from .access import reader_of, user_of, viewers

COLUMNS = [
    "decision_id",
    "patch_id",
    "revision",
    "kind",
    "producer",
    "cve",
    "title",
    "package",
    "current_version",
    "target_version",
    "priority",
    "status",
    "decided_by",
    "decided_by_kind",
    "decided_at",
    "created_at",
    "seconds",
    "category",
    "cause",
    "policy",
    "patch_sha256",
    "revoked_by",
    "revoked_at",
    "bypass",
]
FIELDS = {"revoked_by": "revocation.revoked_by", "revoked_at": "revocation.revoked_at"}
"""Columns that `policy.visible_fields` calls otherwise."""
ROWS = 10_000
# A cell begins at its own beginning, after a line break, and after whatever separates cells in some country.
CELL_BEGINS = re.compile(r"(\A|[\n\r\t;,|])(?=[ \"']*[=+\-@\t\r\uff1d\uff0b\uff0d\uff20])")


class _Line:
    """A file for csv.writer whose `write` returns the line instead of keeping it."""

    def write(self, line: str) -> str:
        return line


@require_safe
@viewers
def history_csv(request: Request) -> StreamingHttpResponse:
    """The filtered history, newest first, up to 10,000 rows; the export itself is an entry of the audit log."""
    form, user, now = HistoryForm(request.GET), user_of(request), timezone.now()
    rows = queries.found(form.filters()).select_related("revocation").order_by(*queries.ORDER)[:ROWS]
    with connection.limited_to(settings.DATABASE_LIMITS["export"]):  # type: ignore[attr-defined]  # of postgresql
        found = _begun(rows.iterator(chunk_size=500))
    filters = {name: str(value) for name, value in request.GET.items() if name in form.fields}
    record_export("history", filters, actor=person_actor(request, user), now=now)
    response = StreamingHttpResponse(_lines(found, reader_of(request)), content_type="text/csv; charset=utf-8")
    response["Content-Disposition"] = f'attachment; filename="hitl-history-{now:%Y-%m-%d}.csv"'
    return response


def _begun(rows: Iterator[Decision]) -> Iterator[Decision]:
    """Return the same rows with the first one read: outside a transaction PostgreSQL then has found them all, and what
    takes too long is refused before an answer begins."""
    first = list(islice(rows, 1))
    return chain(first, rows)


def _lines(rows: Iterator[Decision], reader: Reader) -> Iterator[str]:
    writer = csv.writer(_Line())
    yield writer.writerow(COLUMNS)
    for decision in rows:
        cells = zip(COLUMNS, _row(decision), strict=True)
        yield writer.writerow(
            [safe(value) if sees(reader, FIELDS.get(name, name)) else why_hidden(name) for name, value in cells]
        )


def safe(value: Any) -> Any:
    """Return a cell that no spreadsheet takes for a formula (OWASP, CSV injection)."""
    if isinstance(value, str):
        return CELL_BEGINS.sub(r"\1'", value)
    return value.isoformat() if isinstance(value, datetime) else value


def _row(decision: Decision) -> list[Any]:
    patch, at, revocation = decision.patch, decision.decided_at, getattr(decision, "revocation", None)
    return [
        str(decision.decision_id),
        patch.patch_id,
        patch.revision,
        patch.kind,
        patch.producer.name,
        " ".join(patch.cve_ids),
        patch.heading,
        patch.package_name or patch.repository,
        patch.current_version,
        patch.target_version,
        Priority(decision.priority).name.lower(),
        decision.status,
        decision.decided_by,
        decision.decided_by_kind,
        at,
        decision.created_at,
        int((at - decision.created_at).total_seconds()) if at else "",
        decision.category,
        decision.cause,
        str(decision.policy_version),
        patch.sha256,
        revocation.revoked_by if revocation else "",
        revocation.revoked_at if revocation else "",
        "yes" if decision.bypass_id else "",
    ]
