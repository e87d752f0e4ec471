"""Error pages: one sentence of what happened and what to do, never an internal message."""

import sys

from django.db import OperationalError
from django.http import HttpRequest, HttpResponse
from django.template.loader import render_to_string

from approvals.errors import Conflict, advice_on, was_cut_off
from approvals.requests import Request

from .access import Hidden
from .resend import form_again


def page(request: HttpRequest, status: int, title: str, sentence: str) -> HttpResponse:
    """Return an error page. Rendered without context processors: they ask the database, which may be what broke."""
    context = {"title": title, "sentence": sentence, "request_id": getattr(request, "request_id", "")}
    return HttpResponse(render_to_string("error.html", context), status=status)


def csrf_failure(request: Request, reason: str = "") -> HttpResponse:
    """Let a page of ours load itself again or show the form again, which keep what was typed; tell others what to do.

    A form counts as ours when the browser names our origin, which the middleware has compared by then: words of
    another site are never shown as somebody's own.
    """
    if request.headers.get("HX-Request") == "true":
        return HttpResponse(status=204, headers={"HX-Refresh": "true"})
    ours = "Origin" in request.headers and reason.startswith("CSRF ")
    if ours and (again := form_again(request)):
        return again
    return page(
        request,
        403,
        "Please send that again",
        "The form was open for too long or came from another site, so nothing was changed. "
        "Go back, reload the page and send it again.",
    )


def forbidden(request: HttpRequest, exception: Exception | None = None) -> HttpResponse:
    why = str(exception) if isinstance(exception, Hidden) else "Your account's groups do not allow this page."
    return page(
        request,
        403,
        "Not yours to see",
        f"{why} An administrator can change that.",
    )


def not_found(request: HttpRequest, exception: Exception | None = None) -> HttpResponse:
    cause = exception.__cause__ if exception else None
    if isinstance(cause, Conflict):
        return page(request, 409, "Several decisions have this name", cause.detail)
    return page(
        request,
        404,
        "Not found",
        "Nothing is at this address. The patch may have another id or revision; the queue's search finds it.",
    )


def server_error(request: HttpRequest) -> HttpResponse:
    error = sys.exc_info()[1]
    if isinstance(error, OperationalError):  # met by a middleware: the session could not be read
        return database_away(request, error)
    return page(
        request,
        500,
        "Something broke",
        "Nothing was decided. Tell an administrator this request's id; it is in the log.",
    )


def database_away(request: HttpRequest, error: BaseException | None) -> HttpResponse:
    """Return the page of a database that is away or too slow; only where it broke off itself is nothing recorded."""
    title, sentence = (
        ("The database took too long", f"It was told to stop, and nothing was changed. {advice_on(error)}")
        if error and was_cut_off(error)
        else (
            "The database did not answer",
            "What you sent is recorded whole or not at all. Wait a moment, look whether it is, and try again if not.",
        )
    )
    answer = page(request, 503, title, sentence)
    answer["Retry-After"] = "2"
    return answer
