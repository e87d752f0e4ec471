"""How an answer reads its fields from the objects it is about, what blanks and dates become, and what is hidden."""

import json
from collections.abc import Callable, Iterable, Iterator
from datetime import datetime
from functools import cache
from types import SimpleNamespace
from typing import Annotated, Any, Literal, TypeVar, get_args

from django.core.serializers.json import DjangoJSONEncoder
from django.http import HttpRequest, HttpResponse
from ninja.renderers import BaseRenderer
from pydantic import AliasPath, BaseModel, BeforeValidator, ConfigDict, Field, PlainSerializer, WithJsonSchema
from pydantic_core import to_json

from approvals.models import NO_DEADLINE, Priority
from approvals.policy.visible_fields import OPENED, Reader, sees
from approvals.queries.composed import Composed


class Renderer(BaseRenderer):
    """Answers are written by Pydantic's serialiser."""

    media_type = "application/json"

    def render(self, request: HttpRequest, data: Any, *, response_status: int) -> bytes:
        return to_json(data)


class Answer(BaseModel):
    """Every field is always there; null says 'absent', or that the caller may not see it (docs/api-guide.md)."""

    model_config = ConfigDict(
        extra="forbid", from_attributes=True, validate_by_name=True, json_schema_serialization_defaults_required=True
    )


def path(attributes: str, description: str | None = None, **more: Any) -> Any:
    """Return a field read at a path of attributes, as `decision.patch.title`; `default` where that ends early."""
    return Field(validation_alias=AliasPath(*attributes.split(".")), description=description, **more)


Shape = TypeVar("Shape", bound=Answer)


def read(shape: type[Shape], reader: Reader, **source: Any) -> Shape:
    """Return an answer with the fields of the objects in `source`; null for what this reader may not see."""
    answer = shape.model_validate(SimpleNamespace(**source))
    _hide(answer, reader)
    return answer


def _hide(answer: Answer, reader: Reader, prefix: str = "") -> None:
    hidden, opened = _hidden(type(answer), reader, prefix)
    for name in hidden:
        setattr(answer, name, None)
    for name in opened:
        value = getattr(answer, name)
        for part in value if isinstance(value, list) else [value]:
            if isinstance(part, Answer):
                _hide(part, reader, f"{name}.")


@cache
def _hidden(shape: type[Answer], reader: Reader, prefix: str) -> tuple[list[str], list[str]]:
    """Return the names of the fields that are hidden from a reader, and of those of which parts are."""
    hidden = [name for name in shape.model_fields if not sees(reader, prefix + name)]
    opened = [] if prefix else [name for name in shape.model_fields if name in OPENED and name not in hidden]
    return hidden, [name for name in opened if _hides_parts(shape, name, reader)]


def _hides_parts(shape: type[Answer], name: str, reader: Reader) -> bool:
    parts = _shapes_in(shape.model_fields[name].annotation)
    return any(_hidden(part, reader, f"{name}.")[0] for part in parts)


def _shapes_in(annotation: Any) -> Iterator[type[Answer]]:
    if isinstance(annotation, type) and issubclass(annotation, Answer):
        yield annotation
    for inner in get_args(annotation):
        yield from _shapes_in(inner)


def composed_list(shape: type[Answer], rows: Iterable[Composed], reader_of: Callable[[int], Reader]) -> HttpResponse:
    """Answer a list of objects that PostgreSQL composed in this shape; null for what the reader of each may not see."""
    return json_answer(f"[{','.join(shown(shape, reader_of(row.producer_id), row.text) for row in rows)}]")


def shown(shape: type[Answer], reader: Reader, composed: str) -> str:
    """Return an object that PostgreSQL composed in this shape, with null for what this reader may not see."""
    hidden, opened = _hidden(shape, reader, "")
    if not hidden and not opened:
        return composed
    fields = json.loads(composed) | dict.fromkeys(hidden)
    for name in opened:
        for part in fields[name] if isinstance(fields[name], list) else [fields[name] or {}]:
            part |= {inner: None for inner in part if not sees(reader, f"{name}.{inner}")}
    return to_json(fields).decode()


def json_answer(text: str) -> HttpResponse:
    """Answer with JSON that is written already; ninja would read and write it again."""
    return HttpResponse(text, content_type="application/json; charset=utf-8")


PriorityWord = Literal["low", "medium", "high", "critical"]
PriorityName = Annotated[PriorityWord, BeforeValidator(lambda priority: Priority(priority).name.lower())]
Blank = Annotated[str | None, BeforeValidator(lambda text: text or None)]
"""Text that is null where it is empty."""
Holds = Annotated[bool, BeforeValidator(bool)]
"""Whether there is such a thing."""
moment = DjangoJSONEncoder().default
"""Write a time with milliseconds, as pages and entries have them."""
Moment = Annotated[
    datetime,
    PlainSerializer(moment, return_type=str),
    WithJsonSchema({"type": "string", "format": "date-time"}),
]
Deadline = Annotated[Moment | None, BeforeValidator(lambda at: None if at == NO_DEADLINE else at)]
"""A clock, null for 'never'."""
