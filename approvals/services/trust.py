"""Trust in producers' evidence: what of a change waits for a second person, and giving it once one has agreed."""

import hashlib
from collections.abc import Iterable
from datetime import datetime
from typing import Any

import rfc8785
from django.conf import settings

from approvals.models import Producer
from audit.log import Actor

from . import access
from .rights import NOTHING, Waits

EVIDENCE = {"trusted_for_ml": "ML predictions", "trusted_for_wargaming": "wargaming results"}
"""The columns that let evidence count, and what they let count."""


def split(producer: Producer, asked: Producer) -> Waits:
    """Return what of this trust waits, none in an install that does without a second person; `producer` is as kept.

    Taking trust away never waits.
    """
    if not settings.SECOND_PERSON_REQUIRED:
        return NOTHING
    more = [name for name in EVIDENCE if getattr(asked, name) and not getattr(producer, name)]
    return Waits(dict.fromkeys(more, True), reasons(more))


def reasons(columns: Iterable[str]) -> list[str]:
    """Return what such trust lets count, one sentence each."""
    return [f"Its {EVIDENCE[name]} count as evidence for automatic approval." for name in columns]


def producer_now(producer: Producer) -> str:
    """Return a digest of what a producer is called and trusted for, and of the tokens that speak for it."""
    facts: dict[str, Any] = {"name": producer.name} | {name: getattr(producer, name) for name in EVIDENCE}
    facts["tokens"] = sorted(producer.tokens.values_list("prefix", flat=True)) if producer.pk else []
    return hashlib.sha256(rfc8785.dumps(facts)).hexdigest()


def give(producer: Producer, change: dict[str, Any], *, actor: Actor, now: datetime) -> None:
    """Trust a locked producer for what was asked, with old and new in the log."""
    for name in EVIDENCE:
        if change.get(name):
            setattr(producer, name, True)
    access.change_producer(producer, actor=actor, now=now)
