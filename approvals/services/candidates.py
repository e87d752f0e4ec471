"""One of several candidates was approved: end the others, where the policy says so."""

from collections.abc import Sequence
from datetime import datetime

from approvals.models import Channel, DeciderKind, Decision, Status
from approvals.queries.candidates import ended_with
from audit.log import NewEntry

from .automatic import policy_actor
from .decision_lock import decisions_to_change, lock_decisions
from .ending import end_all


class LockFirst(Exception):
    """An approval ends these other candidates too: whoever gives it begins again and locks all of them in order."""

    def __init__(self, keys: Sequence[int]) -> None:
        super().__init__(keys)
        self.keys = keys


def lock_pending(keys: Sequence[int]) -> list[Decision]:
    """Lock the decisions with these keys that are pending, and return them."""
    return lock_decisions(decisions_to_change().filter(pk__in=keys, status=Status.PENDING))


def end_others(
    approved: Decision, locked: Sequence[Decision] | None, *, now: datetime, channel: Channel
) -> list[NewEntry]:
    """End the other candidates with a locked decision that is approved in this transaction, and return the entries to
    record. `locked` are those that were locked with it, None where none was looked for; what came since waits on.

    Raise LockFirst if there are some and they are not locked: their keys may come before the one that is.
    """
    if locked is None:
        if keys := ended_with(approved):
            raise LockFirst([*keys, approved.pk])
        return []
    ended = set(ended_with(approved))  # again: the policy of one may have changed before it was locked
    others = [other for other in locked if other.pk in ended]
    if not others:
        return []
    return end_all(
        others,
        Status.SUPERSEDED,
        actor=policy_actor(approved.policy_version),
        now=now,
        kind=DeciderKind.POLICY,
        channel=channel,
        cause=f"Another candidate was approved: {approved.patch.patch_id}"[:255],
        data=[{"by_decision": str(approved.decision_id), "fallen_approvals": other.approvals} for other in others],
    )
