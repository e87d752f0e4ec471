"""Deployments that wait for a decision: take in the requests of GitHub, and keep how the answer to each stands."""

import random
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.db import IntegrityError, transaction

from approvals.errors import Conflict
from approvals.models import DeploymentRequest, Status
from audit.log import Actor, record
from audit.models import ActorKind
from notifications.backoff import WITHIN, next_try

from .decision_lock import lock_decision
from .ending import subject
from .intake import Submission, submit
from .producers import ensure_producer

ANSWERS = Actor(id="timer:deployments", kind=ActorKind.TIMER, label="HITL")
ATTEMPT = timedelta(minutes=2)
"""How long nobody else tries what a worker has begun to answer, which may be killed meanwhile."""


@dataclass(frozen=True, slots=True)
class Incoming:
    """A delivery as it was signed: its id, the hex SHA-256 of its body, what would be deployed where, and whom to tell
    as which installation of the App."""

    delivery: str
    body_sha256: str
    repository: str
    environment: str
    installation: int
    callback_url: str


def receive(
    incoming: Incoming, submission: Submission, *, producer: str, actor: Actor, now: datetime
) -> DeploymentRequest:
    """Let people decide whether something may be deployed, and keep who waits for it. Raise Conflict for a delivery
    that came before, under whatever id; as `submit` otherwise."""
    try:
        with transaction.atomic():
            gates = ensure_producer(producer, actor=actor, now=now)
            taken = submit(submission, producer=gates, actor=actor, now=now)
            decision = lock_decision(taken.decision.decision_id)
            request = DeploymentRequest.objects.create(
                delivery=incoming.delivery,
                body_sha256=incoming.body_sha256,
                decision=decision,
                repository=incoming.repository,
                environment=incoming.environment,
                installation=incoming.installation,
                callback_url=incoming.callback_url,
                received_at=now,
                try_at=now,
            )
            _record("asked", request, {"delivery": incoming.delivery}, actor, now)
    except IntegrityError as error:
        raise Conflict("This delivery came before. Nothing was done.") from error
    return request


def due(now: datetime, limit: int) -> list[DeploymentRequest]:
    """Return requests that are decided and due to be answered, the longest waiting first."""
    rows = DeploymentRequest.objects.filter(state=DeploymentRequest.State.WAITING, try_at__lte=now)
    decided = rows.exclude(decision__status=Status.PENDING).select_related("decision__patch")
    return list(decided.defer("decision__patch__wargaming_log").order_by("try_at")[:limit])


def claim(request: DeploymentRequest, now: datetime) -> bool:
    """Return whether the caller is the one to answer it now; another worker may have been faster."""
    rows = DeploymentRequest.objects.filter(pk=request.pk, state=DeploymentRequest.State.WAITING, try_at__lte=now)
    return rows.update(try_at=now + ATTEMPT) == 1


@transaction.atomic
def answered(request: DeploymentRequest, answer: str, *, now: datetime) -> None:
    """Keep that GitHub was told."""
    lock_decision(request.decision.decision_id)
    _change(request, state=DeploymentRequest.State.ANSWERED, answer=answer, answered_at=now, fault="")
    _record("answered", request, {"answer": answer}, ANSWERS, now)


@transaction.atomic
def failed(
    request: DeploymentRequest, fault: str, *, now: datetime, for_good: bool = False, asked: float | None = None
) -> None:
    """Keep that GitHub could not be told, and try again later; after a day, or where it is no use, never again."""
    lock_decision(request.decision.decision_id)
    until = request.give_up_at or now + WITHIN
    again = None if for_good else next_try(request.tries + 1, until, now, random.random(), asked)  # noqa: S311
    kept: dict[str, Any] = {"tries": request.tries + 1, "give_up_at": until, "fault": fault[:300]}
    if again:
        _change(request, try_at=again, **kept)
        return
    _change(request, state=DeploymentRequest.State.GIVEN_UP, **kept)
    _record("unanswered", request, {"fault": fault[:300]}, ANSWERS, now)


def _change(request: DeploymentRequest, **values: Any) -> None:
    DeploymentRequest.objects.filter(pk=request.pk).update(**values)


def _record(what: str, request: DeploymentRequest, data: dict[str, Any], actor: Actor, now: datetime) -> None:
    record(
        f"decision.deployment_{what}",
        actor=actor,
        at=now,
        subject=subject(request.decision),
        patch_sha256=request.decision.patch.sha256,
        data={"repository": request.repository, "environment": request.environment, **data},
    )
