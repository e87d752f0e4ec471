"""The errors services raise, typed once; edges turn them into problem+json, a page or a fragment."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID


class Refusal(Exception):
    """Something a caller may not or cannot do; `detail` is the sentence they read."""

    status = 400
    title = "Bad request"
    type = "about:blank"
    retry_after: int | None = None  # seconds after which the same request may be taken

    def __init__(self, detail: str, *, type: str = "about:blank", errors: list[dict[str, Any]] | None = None) -> None:
        super().__init__(detail)
        self.detail = detail
        self.type = type
        self.errors = errors


class NotAllowed(Refusal):
    """The caller's groups, scopes or relation to the patch forbid it."""

    status = 403
    title = "Not allowed"


class StepUpRequired(NotAllowed):
    """The caller may do it, once they have proved again who they are, on the page of this decision."""

    def __init__(self, detail: str, *, decision_id: UUID) -> None:
        super().__init__(detail, type="step_up_required")
        self.decision_id = decision_id


class NotFound(Refusal):
    """There is no such thing, or the caller may not know of it."""

    status = 404
    title = "Not found"


class Conflict(Refusal):
    """The thing changed or ended before the request came, and `current` says what is so now; or a name is that of
    several decisions, and `decision_ids` says of which."""

    status = 409
    title = "Conflict"

    def __init__(
        self, detail: str, *, current: dict[str, Any] | None = None, decision_ids: Sequence[UUID] = ()
    ) -> None:
        super().__init__(detail)
        self.current = current
        self.decision_ids = list(decision_ids)


class InFlight(Conflict):
    """The same request was sent before and is not answered yet."""

    retry_after = 1


class Invalid(Refusal):
    """A field's value is wrong. `field` names the one, `part` the part of a request it came in (`body`, `query` or
    `path`; none where only forms send it), and `msg` is what an API client reads there unless it is the sentence."""

    status = 422
    title = "Invalid"

    def __init__(
        self, detail: str, *, field: str = "", part: str = "", msg: str = "", errors: list[dict[str, Any]] | None = None
    ) -> None:
        if field:
            errors = [{"loc": [part, field] if part else [field], "msg": msg or detail}]
        super().__init__(detail, errors=errors)


class TooMany(Refusal):
    """A limit is reached."""

    retry_after: int
    status = 429
    title = "Too many requests"

    def __init__(self, detail: str, *, retry_after: int) -> None:
        super().__init__(detail)
        self.retry_after = retry_after


def moment(at: datetime) -> str:
    """Return a time as a sentence shows it, in UTC."""
    return at.strftime("%d %b %Y %H:%M:%S UTC")


CUT_OFF = {"57014", "55P03"}
"""SQLSTATE of a statement that was broken off, by its time-out or by hand, or that waited too long for a lock."""


def was_cut_off(error: BaseException) -> bool:
    """Return whether the database itself broke a statement off: then nothing of its transaction is recorded."""
    return getattr(error.__cause__, "sqlstate", None) in CUT_OFF


def advice_on(error: BaseException) -> str:
    """Return what to do where the database broke off: what the kind of work says, or to try again."""
    return " ".join(getattr(error, "__notes__", [])) or "Wait a moment, then try again."
