"""What lists share: unknown parameters are refused, and `Link` names the next page."""

from typing import Any
from urllib.parse import urlencode

from django.http import HttpRequest, HttpResponse
from ninja import Schema
from pydantic import ValidationInfo, model_validator

from approvals.errors import Invalid


class ListQuery(Schema):
    """The parameters of a list. An unknown one is 422: a misspelt filter would otherwise widen the list silently."""

    @model_validator(mode="before")
    @classmethod
    def known(cls, given: Any, info: ValidationInfo) -> Any:
        """Raise Invalid for unknown parameters, which ninja would drop."""
        assert info.context is not None
        unknown = [name for name in info.context["request"].GET if name not in cls.model_fields]
        if unknown:
            errors = [{"loc": ["query", name], "msg": "This list has no such parameter"} for name in unknown]
            raise Invalid("The request is not valid.", errors=errors)
        return given


def wrong(name: str, message: str) -> Invalid:
    """Return the 422 of one parameter."""
    return Invalid(message, field=name, part="query")


def lead_on(request: HttpRequest, response: HttpResponse, cursor: str) -> None:
    """Name the next page in `Link` (RFC 8288): the same list from the cursor on."""
    given = {name: value for name, value in request.GET.items() if name != "offset"}
    link = urlencode(given | {"cursor": cursor})
    response["Link"] = f'<{request.build_absolute_uri(request.path)}?{link}>; rel="next"'
