"""What a deployer reports after an approval: the loop from the decision to production is closed here."""

from datetime import UTC, datetime
from typing import Annotated, Literal

from django.http import HttpResponse
from django.utils import timezone
from ninja import Field, Router
from pydantic import AwareDatetime, StringConstraints

from approvals.models import MAX_REASON, DeploymentResult
from approvals.queries import decisions as find
from approvals.queries.decision_facts import current
from approvals.services.deployments import Report, report_outcome

from . import answers
from .caller import ApiRequest, Needs
from .problems import problem
from .schemas import Digest, Storable

router = Router(tags=["patches"])


class OutcomeBody(Storable):
    deployed_sha256: Digest = Field(description="SHA-256 of the bytes that were applied, as sent or canonical")
    result: Literal["deployed", "failed", "rolled_back"]
    at: AwareDatetime = Field(
        ge=datetime(2000, 1, 1, tzinfo=UTC), description="when, by the deployer's clock; RFC 3339 with an offset"
    )
    note: Annotated[str, StringConstraints(max_length=MAX_REASON)] | None = None


@router.post(
    "/{patch_id}/outcome",
    auth=Needs("outcomes:report"),
    response=answers.OutcomeRecorded,
    summary="Report what became of a patch",
)
def outcome(
    request: ApiRequest, patch_id: str, body: OutcomeBody, producer: str | None = None
) -> answers.OutcomeRecorded | HttpResponse:
    """200 where the deployed bytes are those that were approved, as sent or in the canonical form; else 409 with an
    `alarm`, which is recorded as well: not approved, another digest, or revoked before. The same report again changes
    nothing."""
    caller = request.auth
    newest = find.by_patch_id(patch_id, owner=None, producer=producer, revision=None)
    report = Report(body.deployed_sha256, DeploymentResult(body.result), body.at, body.note or "")
    done = report_outcome(newest, report, token=caller.token, actor=caller.actor, now=timezone.now())
    if done.alarm:
        return problem(
            409,
            f"{done.sentence} The report is recorded as an alarm.",
            title="Deployment alarm",
            type="deployment_alarm",
            alarm=str(done.alarm),
            current=current(done.decision),
        )
    decision = done.decision
    return answers.OutcomeRecorded(
        decision_id=decision.decision_id, status=decision.status, revision=decision.patch.revision, result=body.result
    )
