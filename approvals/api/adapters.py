"""`/hitl/adapters`: documents of other standards in and out. What is in them is made in `approvals.adapters`."""

import hashlib
import re
from collections.abc import Iterator
from datetime import datetime
from typing import Annotated, Any, Literal

from django.conf import settings
from django.http import HttpResponse
from django.utils import timezone
from ninja import Body, Field, Query, Router, Status
from pydantic import AwareDatetime
from pydantic_core import to_json

from approvals.adapters import github
from approvals.adapters.sarif_documents import ProposedFix, proposed
from approvals.adapters.sarif_fixes import Unconvertible
from approvals.adapters.sarif_log import SarifLog
from approvals.adapters.sarif_results import Told, sarif_of
from approvals.adapters.vex import document, why_unsaid
from approvals.adapters.vex_documents import DOCUMENTS
from approvals.diff.canonical import canonical
from approvals.diff.parse import parse
from approvals.errors import Invalid, NotFound, Refusal, TooMany
from approvals.models import Decision, PatchContent, Producer
from approvals.policy.visible_fields import Reader, sees
from approvals.queries import exports
from approvals.queries.decisions import by_either_id
from approvals.queries.history import ORDER
from approvals.queries.keyset import BadCursor, page
from approvals.queries.revocable import APPROVED
from approvals.services.deployment_requests import Incoming, receive
from approvals.services.intake import Submission

from . import answers, gate_documents
from .bulk import MAX_LINES, Work, answer_of, read_as, results, submitted
from .caller import ApiRequest, Caller, Needs, NeedsProducer, SignedByGitHub, bulk_lines
from .gate_documents import GateRequest
from .lists import ListQuery, lead_on, wrong
from .openapi import with_headers
from .shapes import json_answer

router = Router(tags=["adapters"])

MAX_DIFFS = 8 * 1024 * 1024  # bytes of the diffs in one log
DELIVERY = re.compile(r"[A-Za-z0-9-]{1,100}")


@router.post(
    "/sarif",
    auth=NeedsProducer("patches:submit"),
    response=answers.SarifIntake,
    exclude_unset=True,
    summary="Push the fixes of a SARIF 2.1.0 log",
)
def push_sarif(request: ApiRequest, document: Body[dict[str, Any]]) -> answers.SarifIntake:
    """Each entry of `fixes` of a result becomes a patch: a diff of the artifacts' text, which the log must carry in
    `artifacts[].contents`. `properties.hitl` of a run, a result or a fix says what SARIF has no place for. One result
    for each fix, with the reason where it cannot be a patch; a bad one harms no other."""
    caller = request.auth
    assert caller.producer is not None
    log = read_as(SarifLog, document)
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


@router.get(
    "/sarif",
    auth=Needs("decisions:read"),
    response=dict[str, Any],
    openapi_extra=with_headers("Link"),
    summary="What was decided, as a SARIF 2.1.0 log",
)
def sarif(request: ApiRequest, query: Query[ExportQuery]) -> HttpResponse:
    """A result for each patch that was approved, rejected, sent back or revoked, the newest decisions first; an
    approved one has its change as `fixes`. `suppressions` is empty, which says that nothing is suppressed: what is
    decided is the fix, not the finding. A producer's log is about its own patches."""
    caller = request.auth
    found, cursor = _part(exports.judged(query.filters(), caller.producer), query)
    answer = json_answer(
        to_json(sarif_of(_told(found, caller), version=settings.VERSION, base_url=settings.BASE_URL)).decode()
    )
    if cursor:
        lead_on(request, answer, cursor)
    return answer


def _told(decisions: list[Decision], caller: Caller) -> Iterator[Told]:
    """Yield the decisions with what the caller may see of each; their diffs, up to a limit, are read in one query."""
    left, wanted = MAX_DIFFS, list[int]()
    for decision in decisions:
        approved = decision.status in APPROVED and sees(caller.reader_of(decision.patch.producer_id), "diff")
        if approved and decision.patch.canonical_sha256 and decision.patch.size <= left:
            left -= decision.patch.size
            wanted.append(decision.patch_id)
    diffs = dict(PatchContent.objects.filter(patch__in=wanted).values_list("patch_id", "diff"))
    for decision in decisions:
        reader = caller.reader_of(decision.patch.producer_id)
        reason = decision.reason.body if decision.reason and sees(reader, "reason") else ""
        data = diffs.get(decision.patch_id)
        why = "" if data is not None else _why_no_diff(decision, reader)
        yield Told(decision, canonical(parse(bytes(data))).data if data is not None else None, why, reason or "")


def _why_no_diff(decision: Decision, reader: Reader) -> str:
    if not sees(reader, "diff"):
        return "Diffs go to their producer, to diffs:read and to reviewers."
    if not decision.patch.canonical_sha256:
        return f"It has no canonical form. {decision.patch.no_canonical}".strip()
    return "The diffs before it filled this log: ask for fewer decisions."


@router.post(
    "/github",
    auth=SignedByGitHub(),
    response={200: answers.DeploymentAsked, 202: answers.DeploymentAsked},
    summary="A deployment protection rule of GitHub asks",
)
def github_asks(request: ApiRequest, payload: Body[dict[str, Any]]) -> Status[answers.DeploymentAsked]:
    """The webhook `deployment_protection_rule` of a GitHub App. A workflow gate asks people whether this commit may go
    to this environment, once for all runs that would bring it there; GitHub is told what they decided. Any other event
    is 202 and does nothing; a delivery that came before is 409."""
    if request.headers.get("X-GitHub-Event") != github.EVENT:
        return Status(202, answers.DeploymentAsked(state="ignored"))
    delivery = request.headers.get("X-GitHub-Delivery", "")
    if not DELIVERY.fullmatch(delivery):
        raise Invalid("X-GitHub-Delivery is missing, or is no id.", field="X-GitHub-Delivery", part="header")
    now = timezone.now()
    rule = _rule_of(payload, now)
    submission = gate_documents.submission_of(GateRequest.model_validate(rule.gate()))
    incoming = Incoming(
        delivery=delivery,
        body_sha256=hashlib.sha256(request.body).hexdigest(),
        repository=rule.repository.full_name,
        environment=rule.environment,
        installation=rule.installation.id,
        callback_url=rule.deployment_callback_url,
    )
    asked = receive(incoming, submission, producer=github.PRODUCER, actor=request.auth.actor, now=now)
    decision = asked.decision
    return Status(200, answers.DeploymentAsked(state="asked", decision_id=decision.decision_id, status=decision.status))


def _rule_of(payload: dict[str, Any], now: datetime) -> github.ProtectionRule:
    rule = read_as(github.ProtectionRule, payload)
    if rule.is_old(now):
        old = f"This deployment was made more than {github.SENT_AGAIN.days} days ago."
        raise Invalid(old, errors=[{"loc": ["body", "deployment", "created_at"], "msg": "is too long ago"}])
    if not rule.calls_back_to_github():
        raise Invalid(
            f"deployment_callback_url is not of this repository at {settings.GITHUB_API_URL}.",
            field="deployment_callback_url",
            part="body",
        )
    return rule
