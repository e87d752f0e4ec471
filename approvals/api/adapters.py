"""`/hitl/adapters`: documents of other standards in and out. What is in them is made in `approvals.adapters`."""

from collections.abc import Iterator
from typing import Annotated, Any, Literal

from django.conf import settings
from django.http import HttpResponse
from ninja import Field, Query, Router
from pydantic import AwareDatetime
from pydantic_core import to_json

from approvals.adapters.sarif_documents import ProposedFix, proposed
from approvals.adapters.sarif_fixes import Unconvertible
from approvals.adapters.sarif_log import SarifLog
from approvals.adapters.vex import document, why_unsaid
from approvals.adapters.vex_documents import DOCUMENTS
from approvals.errors import Invalid, NotFound, Refusal, TooMany
from approvals.models import Decision, Producer
from approvals.queries import exports
from approvals.queries.decisions import by_either_id
from approvals.queries.history import ORDER
from approvals.queries.keyset import BadCursor, page
from approvals.services.intake import Submission

from . import answers
from .bulk import MAX_LINES, Work, answer_of, results, submitted
from .caller import ApiRequest, Needs, NeedsProducer, bulk_lines
from .lists import ListQuery, lead_on, wrong
from .openapi import with_headers
from .shapes import json_answer

router = Router(tags=["adapters"])


@router.post(
    "/sarif",
    auth=NeedsProducer("patches:submit"),
    response=answers.SarifIntake,
    exclude_unset=True,
    summary="Push the fixes of a SARIF 2.1.0 log",
)
def push_sarif(request: ApiRequest, log: SarifLog) -> answers.SarifIntake:
    """Each entry of `fixes` of a result becomes a patch: a diff of the artifacts' text, which the log must carry in
    `artifacts[].contents`. `properties.hitl` of a run, a result or a fix says what SARIF has no place for. One result
    for each fix, with the reason where it cannot be a patch; a bad one harms no other."""
    caller = request.auth
    assert caller.producer is not None
    fixes = list(proposed(log))
    found = [result for run in log.runs for result in run.results or []]
    if not fixes:
        raise Invalid(f"None of the {len(found):,} results of this log has `fixes`: there is nothing to propose.")
    if len(fixes) > MAX_LINES:
        raise Invalid(f"A log may have {MAX_LINES:,} fixes, not {len(fixes):,}.")
    bulk_lines.take(caller.actor.id, len(fixes))
    taken = results(_read(fixes), caller, caller.producer)
    return answers.SarifIntake(
        fixes=[
            answers.SarifFix(
                run=fix.run, result=fix.result, fix=fix.fix, rule_id=fix.rule_id or None, **answer_of(result)
            )
            for fix, result in zip(fixes, taken, strict=True)
        ],
        results_without_fixes=sum(not result.fixes for result in found),
    )


def _read(fixes: list[ProposedFix]) -> Iterator[Submission | Refusal]:
    """Yield what each fix submits, or why it does not."""
    work, ids = Work(), set[str]()
    for fix in fixes:
        if work.too_much(b""):
            yield TooMany(
                "The fixes before this one were all the work of one request; send it in another.", retry_after=1
            )
            continue
        work.values -= 1
        try:
            submission = submitted(fix.document())
        except Unconvertible as error:
            yield Invalid(f"This fix cannot be a patch: {error}.")
        except Refusal as error:
            yield error
        else:
            if submission.patch_id in ids:
                yield Invalid(
                    f"Two fixes of this log have the patch_id {submission.patch_id}; name another in properties.hitl.",
                    field="patch_id",
                )
                continue
            ids.add(submission.patch_id)
            yield submission


class ExportQuery(ListQuery):
    decision_id: Annotated[str, Field(description="ours or an alias")] = ""
    cve: Annotated[str, Field(description="any name of the vulnerability: of CVE, GHSA, OSV or a vendor")] = ""
    package: str = ""
    repository: str = ""
    since: Annotated[AwareDatetime | None, Field(description="decided at or after")] = None
    until: Annotated[AwareDatetime | None, Field(description="decided before")] = None
    limit: Annotated[int, Field(ge=1, le=1000, description="decisions in one document")] = 100
    cursor: str = ""

    def filters(self) -> exports.ExportFilters:
        return exports.ExportFilters(**self.model_dump(exclude={"limit", "cursor"}))


def _part(rows: Any, query: ExportQuery) -> tuple[list[Decision], str | None]:
    try:
        shown = page(rows, ORDER, query.cursor or None, query.limit)
    except BadCursor as error:
        raise wrong("cursor", str(error)) from error
    return shown.rows, shown.next


@router.get(
    "/vex/{form}",
    auth=Needs("decisions:read"),
    response=dict[str, Any],
    openapi_extra=with_headers("Link"),
    summary="Fixed vulnerabilities as VEX",
)
def vex(request: ApiRequest, form: Literal["openvex", "csaf", "cyclonedx"], query: Query[ExportQuery]) -> HttpResponse:
    """What approved patches that deployers reported as deployed have fixed, the newest decisions first: OpenVEX 0.2.0,
    CSAF 2.0 (`csaf_vex`) or CycloneDX 1.6. Nothing but 'fixed' is ever said; 404 with the reason where there is nothing
    to say. A producer's document is about its own patches."""
    producer = request.auth.producer
    found, cursor = _part(exports.deployed_fixes(query.filters(), producer), query)
    if not found:
        raise NotFound(_nothing_to_say(query, producer))
    said = document(found, author=settings.VEX_AUTHOR, base_url=settings.BASE_URL)
    answer = json_answer(to_json(DOCUMENTS[form](said)).decode())
    if cursor:
        lead_on(request, answer, cursor)
    return answer


def _nothing_to_say(query: ExportQuery, producer: Producer | None) -> str:
    if not query.decision_id:
        return "No approved and deployed fix matches: a VEX document has at least one statement."
    rows = exports.with_deployment(Decision.objects.filter(by_either_id(query.decision_id)))
    decision = (rows.filter(patch__producer=producer) if producer else rows).first()
    if decision is None:
        return "There is no such decision."
    return f"No VEX document says anything of this decision. {why_unsaid(decision)}".strip()
