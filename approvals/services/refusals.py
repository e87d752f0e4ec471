"""Audit entries of refused attempts: who tried what, and why it was refused."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db import transaction

from approvals.errors import Conflict, NotAllowed, StepUpRequired
from approvals.models import Channel, Decision
from audit.log import Actor, Subject, record

from .ending import subject


@contextmanager
def audit_decision_refusal(
    decision_id: UUID, attempt: str, *, actor: Actor, now: datetime, channel: Channel
) -> Iterator[None]:
    """Write an entry when the attempt inside is refused by a rule (NotAllowed) or comes too late (Conflict).

    Put it around the attempt's own transaction: that one is rolled back, and the entry is written in another. It is not
    part of the decision's chain of entries, so that attempts do not lock the decision for those who may decide.
    """
    try:
        yield
    except (NotAllowed, Conflict) as error:
        if isinstance(error, StepUpRequired) and channel == Channel.PAGE:
            raise  # the page asks for the password next: nobody was refused
        decision = Decision.objects.select_related("patch").get(decision_id=decision_id)
        with transaction.atomic():
            record(
                "decision.refused",
                actor=actor,
                at=now,
                subject=replace(subject(decision), chained=False),
                patch_sha256=decision.patch.sha256,
                data={"attempt": attempt, "refusal": error.title.lower(), "channel": str(channel)},
                aside={"why": error.detail},
            )
        raise


@contextmanager
def audit_refusal(
    attempt: str, about: Subject, *, actor: Actor, now: datetime, data: dict[str, Any] | None = None
) -> Iterator[None]:
    """Write an entry with `data` when an attempt with a bypass or to change the rules is refused (NotAllowed). Put it
    around the attempt's own transaction, as `audit_decision_refusal`, which is the same for decisions."""
    try:
        yield
    except NotAllowed as error:
        with transaction.atomic():
            facts = {"attempt": attempt, **(data or {})}
            record("attempt.refused", actor=actor, at=now, subject=about, data=facts, aside={"why": error.detail})
        raise


@transaction.atomic
def audit_refused_caller(route: str, path: str, why: str, *, actor: Actor, now: datetime) -> None:
    """Write an entry when a caller is refused before any object was read; `path` is the requested path, `route` its
    pattern."""
    record(
        "decision.refused",
        actor=actor,
        at=now,
        subject=Subject("caller", actor.id, actor.label),
        data={"attempt": route, "refusal": NotAllowed.title.lower(), "channel": str(Channel.API)},
        aside={"attempt": path, "why": why},
    )
