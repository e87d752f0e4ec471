"""Intake in this process, under the shipped policies and under many more that are asked before the default one."""

import time
from datetime import datetime
from itertools import cycle, islice
from typing import Any

from django.db.models import Max
from django.utils import timezone

from approvals.actors import command
from approvals.api.intake import submission_of
from approvals.api.schemas import IntakeDocument
from approvals.models import Policy, Producer
from approvals.services import policies
from approvals.services.intake import submit
from approvals.services.producers import ensure_producer

from . import documents

ACTOR = command("bench")
CONDITION = (  # none holds, so that every one is asked
    "producer == 'team-{number}' && ecosystem != null && ecosystem == 'npm' && severity in ['low', 'medium'] "
    "&& confidence != null && confidence >= 0.97 && !kev"
)


def producer() -> Producer:
    return ensure_producer("bench", actor=ACTOR, now=timezone.now())


def switch(keys: list[int], on: bool) -> None:
    """Switch these policies on or off."""
    Policy.objects.filter(pk__in=keys).update(enabled=on)


def add_policies(number: int) -> list[int]:
    """Put that many policies before the default one; return their keys."""
    terms = policies.terms_of(Policy.objects.select_related("current").get(is_default=True).current)  # type: ignore[arg-type]
    before = Policy.objects.filter(is_default=False).aggregate(last=Max("position"))["last"]
    keys = []
    for one in range(number):
        policy = Policy(name=f"bench-{one}", position=before + one + 1)
        policies.arrange(policy, actor=ACTOR, now=timezone.now())
        wanted = policies.from_plain(terms | {"match": CONDITION.format(number=one)})
        policies.publish(policy, wanted, actor=ACTOR, now=timezone.now())
        keys.append(policy.pk)
    Policy.objects.filter(name__in=["critical-two-person", "high", "medium", "low"]).update(enabled=False)
    return keys


def take_in(producer: Producer, real: list[Any], patches: int, at: datetime | None = None) -> float:
    """Take in that many patches one by one, as if at that time, and return this process's milliseconds of processor
    time for each."""
    made = [IntakeDocument.model_validate(documents.fresh(document)) for document in islice(cycle(real), patches)]
    began = time.process_time()
    for document in made:
        submit(submission_of(document), producer=producer, actor=ACTOR, now=at or timezone.now())
    return (time.process_time() - began) / patches * 1000
