"""Deployment protection rules of GitHub: what its webhook says and how it is signed, and the answer to its callback.
A commit may be deployed to an environment when people approved exactly that, in a workflow gate."""

import hashlib
import hmac
import json
import re
from datetime import datetime, timedelta
from functools import partial
from typing import Annotated, Any, Literal

import jwt
from django.conf import settings
from pydantic import AwareDatetime, BaseModel, Field, StringConstraints, field_validator, model_validator

from approvals.api.schemas import refuse_unstorable
from approvals.models import DeploymentRequest, Status
from approvals.queries.revocable import APPROVED
from approvals.services import deployment_requests as requests
from notifications.outbound import Unanswered, call

PRODUCER = "github"
"""Whose gates these are; a gate of anybody else approves no deployment."""
EVENT = "deployment_protection_rule"
PATH = r"/repos/{}/actions/runs/\d{{1,19}}/deployment_protection_rule"
APP_TOKEN = timedelta(minutes=9)  # GitHub takes ten at most
CLOCKS_APART = timedelta(minutes=1)
NOT_WAITING = {404, 410, 422}
"""Answers of GitHub that no later try would change: the run is over, or somebody reviewed the deployment there."""
AT_ONCE = 20
SENT_AGAIN = timedelta(days=3)
"""How long GitHub keeps a delivery, to be sent again by hand."""


class Repository(BaseModel):
    full_name: Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_.-]+/[A-Za-z0-9_.-]+$", max_length=200)]
    html_url: Annotated[str, StringConstraints(pattern=r"^https?://", max_length=500)]


class Deployment(BaseModel):
    id: int
    sha: Annotated[str, StringConstraints(pattern="^([0-9a-f]{40}|[0-9a-f]{64})$")]
    created_at: AwareDatetime


class Installation(BaseModel):
    id: Annotated[int, Field(ge=1, le=2**62)]


class ProtectionRule(BaseModel):
    """What is read of the webhook `deployment_protection_rule`."""

    action: Literal["requested"]
    environment: Annotated[str, StringConstraints(min_length=1, max_length=255)]
    deployment: Deployment
    deployment_callback_url: Annotated[str, StringConstraints(max_length=2000)]
    repository: Repository
    installation: Installation

    @model_validator(mode="before")
    @classmethod
    def storable(cls, body: Any) -> Any:
        refuse_unstorable(body)
        return body

    @field_validator("environment")
    @classmethod
    def printable(cls, value: str) -> str:
        if not value.isprintable():
            raise ValueError("has a character that cannot be printed")
        return value

    def gate(self) -> dict[str, Any]:
        """Return the request of a workflow gate: the same for every run that would deploy this commit there, so that
        what people approved once is approved."""
        name, sha = self.repository.full_name, self.deployment.sha
        return {
            "title": f"Deploy {name} at {sha[:12]} to {self.environment}",
            "workflow_id": f"github:{name}",
            "job_id": self.environment,
            "execution_id": sha,
            "context": {
                "repository": name,
                "commit": sha,
                "environment": self.environment,
                "url": f"{self.repository.html_url}/commit/{sha}",
            },
        }

    def is_old(self, now: datetime) -> bool:
        """Return whether GitHub itself would not send this any more; what it signs has no other time."""
        return self.deployment.created_at < now - SENT_AGAIN

    def calls_back_to_github(self) -> bool:
        """Return whether the callback is this repository's, at the one API that is called."""
        path = self.deployment_callback_url.removeprefix(settings.GITHUB_API_URL)
        is_there = self.deployment_callback_url.startswith(f"{settings.GITHUB_API_URL}/")
        return is_there and re.fullmatch(PATH.format(re.escape(self.repository.full_name)), path, re.ASCII) is not None


def is_signed(body: bytes, signature: str) -> bool:
    """Return whether `X-Hub-Signature-256` is that of the body under our secret; False without a secret."""
    if not settings.GITHUB_WEBHOOK_SECRET:
        return False
    expected = hmac.new(settings.GITHUB_WEBHOOK_SECRET.encode(), body, hashlib.sha256).hexdigest()
    return hmac.compare_digest(f"sha256={expected}".encode(), signature.encode("utf-8", "replace"))


def answer_due(now: datetime) -> int:
    """Tell GitHub the decisions that are due to be told; return how many tries were made. No transaction is open while
    GitHub answers."""
    due = requests.due(now, AT_ONCE) if settings.GITHUB_APP_ID else []
    for request in due:
        if requests.claim(request, now):
            _answer(request, now)
    return len(due)


def _answer(request: DeploymentRequest, now: datetime) -> None:
    answer = "approved" if request.decision.status in APPROVED else "rejected"
    failed = partial(requests.failed, request, now=now)
    try:
        given = call(request.callback_url, _body(request, answer), _headers(_installation_token(request, now)))
    except Unanswered as error:
        failed(str(error))
        return
    if 200 <= given.status < 300:
        requests.answered(request, answer, now=now)
    else:
        failed(f"GitHub answered {given.status}.", for_good=given.status in NOT_WAITING, asked=given.retry_after)


def _body(request: DeploymentRequest, answer: str) -> bytes:
    decision = request.decision
    said = "" if answer == "approved" else f"This is {Status(decision.status).label.lower()}. "
    comment = f"{said}Decided in HITL: {settings.BASE_URL}/patches/{decision.decision_id}"
    return json.dumps({"environment_name": request.environment, "state": answer, "comment": comment}).encode()


def _installation_token(request: DeploymentRequest, now: datetime) -> str:
    """Return a token of the App where it is installed. Raise Unanswered."""
    claims = {"iat": now - CLOCKS_APART, "exp": now + APP_TOKEN - CLOCKS_APART, "iss": settings.GITHUB_APP_ID}
    try:
        proof = jwt.encode(claims, settings.GITHUB_APP_KEY, "RS256")
    except (ValueError, TypeError, jwt.InvalidKeyError):
        raise Unanswered("GITHUB_APP_KEY is no private key of RSA.") from None
    url = f"{settings.GITHUB_API_URL}/app/installations/{request.installation}/access_tokens"
    given = call(url, b"", _headers(proof))
    if given.status != 201:
        raise Unanswered(f"GitHub gave no token of the App for this repository: it answered {given.status}.")
    try:
        return str(json.loads(given.body)["token"])
    except (ValueError, KeyError, TypeError):
        raise Unanswered("GitHub gave no token of the App for this repository: its answer cannot be read.") from None


def _headers(token: str) -> dict[str, str]:
    return {
        "Authorization": f"Bearer {token}",
        "Accept": "application/vnd.github+json",
        "Content-Type": "application/json",
        "X-GitHub-Api-Version": "2022-11-28",
    }
