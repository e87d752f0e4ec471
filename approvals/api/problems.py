"""Errors as application/problem+json (RFC 9457); no answer has an internal message."""

from collections.abc import Iterable, Sequence
from http import HTTPStatus
from typing import Any

from django.conf import settings
from django.core.serializers.json import DjangoJSONEncoder
from django.http import HttpResponse, JsonResponse
from django.urls import reverse

from approvals.errors import Conflict, Refusal, StepUpRequired, advice_on, was_cut_off
from approvals.strict_json import MAX_ERRORS

CONTENT_TYPE = "application/problem+json"
NOT_VALID = "The request is not valid."
MAX_MESSAGE = 300  # characters; a name in `loc` has fewer, and so many names lead anywhere
MAX_NAME = 100
MAX_LOC = 12


def problem(status: int, detail: str, *, title: str = "", type: str = "about:blank", **members: Any) -> HttpResponse:
    """Return one problem; `title` defaults to the status's own name."""
    body = {"type": type, "title": title or HTTPStatus(status).phrase, "status": status, "detail": detail, **members}
    return JsonResponse(body, status=status, content_type=CONTENT_TYPE, encoder=DjangoJSONEncoder)


def refused(error: Refusal) -> HttpResponse:
    """Return a service's typed error as a problem."""
    members: dict[str, Any] = {}
    if error.errors:
        members["errors"] = listed(error.errors)
    if isinstance(error, Conflict) and error.current:
        members["current"] = error.current
    if isinstance(error, Conflict) and error.decision_ids:
        members["decision_ids"] = error.decision_ids
    if isinstance(error, StepUpRequired):
        members["page"] = page_of(error)
    answer = problem(
        error.status, counted(error.detail, error.errors or ()), title=error.title, type=error.type, **members
    )
    if error.retry_after is not None:
        answer["Retry-After"] = str(error.retry_after)
    return answer


def invalid(errors: Sequence[dict[str, Any]]) -> HttpResponse:
    """Return the 422 of a request whose fields are wrong."""
    return problem(422, counted(NOT_VALID, errors), title="Invalid", errors=listed(errors))


def listed(errors: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return the first errors, each cut short, so that a large bad body cannot ask for a larger answer."""
    return [
        {"loc": [_cut(name, MAX_NAME) for name in error["loc"][:MAX_LOC]], "msg": _cut(error["msg"], MAX_MESSAGE)}
        for error in errors[:MAX_ERRORS]
    ]


def counted(detail: str, errors: Sequence[Any]) -> str:
    """Return the sentence, and how many errors there are where not all are listed."""
    return detail if len(errors) <= MAX_ERRORS else f"{detail} The first {MAX_ERRORS} of {len(errors):,} errors follow."


def _cut(text: Any, limit: int) -> Any:
    return f"{text[:limit]}…" if isinstance(text, str) and len(text) > limit else text


def database_away(error: BaseException) -> HttpResponse:
    """Return the problem of a database that is away or too slow. A connection lost at commit leaves open what was
    recorded, so that answer does not say; asking again is safe."""
    answer = problem(
        503,
        f"The database took too long and was told to stop. Nothing of this is recorded. {advice_on(error)}"
        if was_cut_off(error)
        else "The database did not answer. Try again: nothing is recorded twice.",
    )
    answer["Retry-After"] = "2"
    return answer


def page_of(error: StepUpRequired) -> str:
    """Return the address of the page that takes the approval which is refused here."""
    return f"{settings.BASE_URL}{reverse('patch-detail', args=[error.decision_id])}"


def field_errors(errors: Iterable[Any], strip: int) -> list[dict[str, Any]]:
    """Return pydantic's errors as `{loc, msg}`; `strip` removes the parameter name after 'body'. No input is echoed."""
    shown = []
    for error in errors:
        loc = list(error["loc"])
        if loc[:1] == ["body"]:
            loc = [loc[0], *loc[1 + strip :]]
        shown.append({"loc": loc, "msg": error["msg"].removeprefix("Value error, ")})
    return shown
