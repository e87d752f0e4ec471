"""What can go wrong, each with a sentence for whoever reads the log of the job."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .answers import Outcome


class GateError(Exception):
    """Base of all errors of this client."""


class NotReachable(GateError):
    """The service did not answer, or answered that it cannot now, until the client's patience was over."""


class Refused(GateError):
    """The service refused the request: a wrong token, a field, a rule. `problem` is its RFC 9457 body."""

    def __init__(self, status: int, problem: dict[str, Any]) -> None:
        self.status = status
        self.problem = problem
        errors = "; ".join(
            f"{'.'.join(str(part) for part in error.get('loc', []))}: {error.get('msg', '')}"
            for error in problem.get("errors") or []
        )
        detail = str(problem.get("detail") or problem.get("title") or "no reason given")
        super().__init__(f"{status}: {detail}" + (f" ({errors})" if errors else ""))


class NotDecided(GateError):
    """Nobody decided in the time that the caller had. What was asked goes on waiting; ask again later."""

    def __init__(self, pending: Outcome, seconds: float) -> None:
        self.pending = pending
        super().__init__(f"Nobody decided {pending.id} within {seconds:.0f} seconds; it waits on at {pending.url}")


class DeploymentAlarm(GateError):
    """What was deployed is not what people approved. `alarm`: differs, not_approved or revoked."""

    def __init__(self, alarm: str, sentence: str) -> None:
        self.alarm = alarm
        super().__init__(sentence)


class WrongBytes(GateError):
    """The bytes received are not those that were approved."""


class FeedGap(GateError):
    """A position of the feed is missing: the address leads to another database, or one restored from a backup."""
