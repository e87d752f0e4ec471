"""The JSON API: its routers, and every error as problem+json."""

import logging
from typing import cast

from django.conf import settings
from django.core.exceptions import RequestDataTooBig, TooManyFieldsSent
from django.db import OperationalError
from django.http import Http404, HttpRequest, HttpResponse, UnreadablePostError
from django.views.decorators.http import require_safe
from ninja.errors import AuthenticationError, HttpError, ValidationError
from ninja.parser import Parser
from ninja.types import DictStrAny

from approvals.api import actions, adapters, analytics, decisions, deployments, events, patches, workflow_gates
from approvals.api.openapi import DescribedAPI
from approvals.api.problems import database_away, field_errors, invalid, problem, refused
from approvals.api.shapes import Renderer
from approvals.errors import Refusal
from approvals.strict_json import read
from hitl.bodies import BROKEN_OFF, UnreadableBody
from hitl.request_lines import route_of
from hitl.settings import VERSION

log = logging.getLogger(__name__)


class BodyParser(Parser):
    """Ninja's parser, as strict as `strict_json.read`."""

    def parse_body(self, request: HttpRequest) -> DictStrAny:
        return cast(DictStrAny, read(request.body))


api = DescribedAPI(
    title="HITL",
    version=VERSION,
    urls_namespace="hitl-api",
    description="The gate between machines that write security patches and the systems that deploy them.",
    docs_url="/hitl/docs",
    openapi_url="/hitl/openapi.json",
    parser=BodyParser(),
    renderer=Renderer(),
    docs_decorator=require_safe,
)
api.add_router("/hitl/patches", patches.router)
api.add_router("/hitl/patches", actions.router)
api.add_router("/hitl/patches", deployments.router)
api.add_router("/hitl/admin", patches.admin_router)
api.add_router("/hitl/decisions", decisions.router)
api.add_router("/hitl/adapters", adapters.router)
api.add_router("/hitl/analytics", analytics.router)
api.add_router("/hitl/events", events.router)
api.add_router("/api/approvals", workflow_gates.router)


@api.exception_handler(Refusal)
def on_refusal(request: HttpRequest, error: Refusal) -> HttpResponse:
    return refused(error)


@api.exception_handler(ValidationError)
def on_invalid(request: HttpRequest, error: ValidationError) -> HttpResponse:
    return invalid(field_errors(error.errors, strip=1))


@api.exception_handler(AuthenticationError)
def on_unknown_caller(request: HttpRequest, error: AuthenticationError) -> HttpResponse:
    answer = problem(401, str(error))
    answer["WWW-Authenticate"] = 'Bearer realm="HITL"'
    return answer


@api.exception_handler(HttpError)
def on_http_error(request: HttpRequest, error: HttpError) -> HttpResponse:
    if isinstance(error.__cause__, Refusal):  # ninja makes a 400 of whatever its parser raises
        return refused(error.__cause__)
    detail = "The body is not JSON in UTF-8." if error.status_code == 400 else str(error)
    return problem(error.status_code, detail)


@api.exception_handler(Http404)
def on_not_found(request: HttpRequest, error: Http404) -> HttpResponse:
    return problem(404, "There is nothing here.")


@api.exception_handler(RequestDataTooBig)
def on_too_big(request: HttpRequest, error: RequestDataTooBig) -> HttpResponse:
    return problem(413, "A body may have 8 MiB.")


@api.exception_handler(TooManyFieldsSent)
def on_too_many_parameters(request: HttpRequest, error: TooManyFieldsSent) -> HttpResponse:
    return problem(422, f"A query may have {settings.DATA_UPLOAD_MAX_NUMBER_FIELDS:,} parameters.", title="Invalid")


@api.exception_handler(UnreadableBody)
def on_unreadable(request: HttpRequest, error: UnreadableBody) -> HttpResponse:
    return problem(400, str(error))


@api.exception_handler(UnreadablePostError)
def on_broken_off(request: HttpRequest, error: UnreadablePostError) -> HttpResponse:
    return problem(400, BROKEN_OFF)


@api.exception_handler(OperationalError)
def on_database_away(request: HttpRequest, error: OperationalError) -> HttpResponse:
    """The database restarts, its pool is exhausted, or a statement took too long."""
    log.error("The database did not answer", exc_info=error)
    return database_away(error)


@api.exception_handler(Exception)
def on_defect(request: HttpRequest, error: Exception) -> HttpResponse:
    log.error("Unhandled error at %s", route_of(request), exc_info=error)
    return problem(500, "Something broke on our side. The request id stands in our log.")
