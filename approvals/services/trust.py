"""Trust in producers' evidence: which part of a change needs a second person, and giving it once one has agreed."""

import hashlib
from collections.abc import Iterable
from datetime import datetime
from typing import Any

import rfc8785
from django.conf import settings

from approvals.accounts.services.rights import NO_PENDING_CHANGE, PendingChange
from approvals.models import Producer
from audit.log import Actor

from . import producers

EVIDENCE = {"trusted_for_ml": "ML predictions", "trusted_for_wargaming": "wargaming results"}
"""The columns of trust, and the evidence that counts because of them."""


def split(producer: Producer, requested: Producer) -> PendingChange:
    """Return the requested trust that needs a second person, none if the install needs none; `producer` is as stored.

    Removing trust never needs a second person.
    """
    if not settings.SECOND_PERSON_REQUIRED:
        return NO_PENDING_CHANGE
    new_columns = [name for name in EVIDENCE if getattr(requested, name) and not getattr(producer, name)]
    return PendingChange(dict.fromkeys(new_columns, True), reasons(new_columns))


def reasons(columns: Iterable[str]) -> list[str]:
    """Return one sentence for each of these columns of trust."""
    return [f"Its {EVIDENCE[name]} count as evidence for automatic approval." for name in columns]


def producer_now(producer: Producer) -> str:
    """Return a digest of a producer's name, trust and tokens."""
    facts: dict[str, Any] = {"name": producer.name} | {name: getattr(producer, name) for name in EVIDENCE}
    facts["tokens"] = sorted(producer.tokens.values_list("prefix", flat=True)) if producer.pk else []
    return hashlib.sha256(rfc8785.dumps(facts)).hexdigest()


def give(producer: Producer, change: dict[str, Any], *, actor: Actor, now: datetime) -> None:
    """Give a locked producer the trust of a proposal, with old and new values in the log."""
    for name in EVIDENCE:
        if change.get(name):
            setattr(producer, name, True)
    producers.change_producer(producer, actor=actor, now=now)
