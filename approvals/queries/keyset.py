"""Paging by the last row seen, not by counting: page one thousand costs what page one does."""

import base64
import json
import re
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Generic, TypeVar
from uuid import UUID

from django.db.models import Model, Q, QuerySet

M = TypeVar("M", bound=Model)
UUID_TEXT = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")


@dataclass(frozen=True, slots=True)
class Page(Generic[M]):
    """Rows in order, and the cursors of the pages before and after (None at the ends)."""

    rows: list[M]
    next: str | None
    previous: str | None


class BadCursor(ValueError):
    """A cursor that this list did not issue."""


def page(
    rows: QuerySet[M], order: list[str], cursor: str | None, limit: int, among: QuerySet[Any] | None = None
) -> Page[M]:
    """Return `limit` rows in `order` (field names, '-' for descending, the last unique) from a cursor on.

    All columns of the order are NOT NULL and share an index, so each page is one index range. `among` is a queryset of
    narrow rows (key and order columns): filter and order use it, and only the page's rows are then read from `rows`.
    Raise BadCursor.
    """
    backwards, values = _decode(cursor, len(order)) if cursor else (False, None)
    columns = [_flip(name) for name in order] if backwards else order
    selected = (rows if among is None else among).order_by(*columns)
    if values is not None:
        try:
            selected = selected.filter(_after(columns, values))
        except (ValueError, TypeError, OverflowError) as error:  # a forged value of the wrong type
            raise BadCursor("This cursor is not one of ours.") from error
    shown = list(selected[: limit + 1] if among is None else part(rows, columns, selected[: limit + 1]))
    has_more = len(shown) > limit
    shown = shown[:limit]
    if backwards:
        shown.reverse()
    has_next, has_previous = (True, has_more) if backwards else (has_more, values is not None)
    return Page(
        rows=shown,
        next=cursor_at(False, shown[-1], order) if shown and has_next else None,
        previous=cursor_at(True, shown[0], order) if shown and has_previous else None,
    )


def beside(rows: QuerySet[M], order: list[str], row: Model, *, before: bool = False) -> QuerySet[M]:
    """Return the rows after `row` in an order, or those before it, the nearest first; `row` need not be one of them."""
    columns = [_flip(name) for name in order] if before else order
    return rows.filter(_after(columns, [_field(row, name) for name in columns])).order_by(*columns)


def part(rows: QuerySet[M], order: list[str], narrow: QuerySet[Any]) -> QuerySet[M]:
    """Return the rows with the keys of these narrow rows, which are a slice in the same order; one query."""
    return rows.filter(pk__in=narrow.values("pk")).order_by(*order)


def _flip(name: str) -> str:
    return name[1:] if name.startswith("-") else f"-{name}"


def _after(order: list[str], values: list[Any]) -> Q:
    """Return (a, b, c) > (x, y, z) for mixed directions, written so that the first column bounds the index scan."""
    condition = Q()
    for position, name in enumerate(order):
        column, comparison = (name[1:], "lt") if name.startswith("-") else (name, "gt")
        equal = Q(**{order[i].lstrip("-"): values[i] for i in range(position)})
        condition |= equal & Q(**{f"{column}__{comparison}": values[position]})
    first, bound = (order[0][1:], "lte") if order[0].startswith("-") else (order[0], "gte")
    return Q(**{f"{first}__{bound}": values[0]}) & condition


def cursor_at(backwards: bool, row: Model, order: list[str]) -> str:
    """Return the cursor of the page that begins after this row, or ends before it."""
    values = [_value(row, name) for name in order]
    return base64.urlsafe_b64encode(json.dumps([backwards, *values]).encode()).decode().rstrip("=")


def _value(row: Model, name: str) -> Any:
    value = _field(row, name)
    if isinstance(value, UUID):
        return str(value)
    return value.isoformat() if isinstance(value, datetime) else value


def _field(row: Any, name: str) -> Any:
    for part in name.lstrip("-").split("__"):
        row = getattr(row, part)
    return row


def _decode(cursor: str, length: int) -> tuple[bool, list[Any]]:
    try:
        backwards, *values = json.loads(base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)))
    except (ValueError, TypeError, RecursionError) as error:
        raise BadCursor("This cursor is not one of ours.") from error
    if (
        not isinstance(backwards, bool)
        or len(values) != length
        or not all(isinstance(value, str | int | float) for value in values)
    ):
        raise BadCursor("This cursor is not one of ours.")
    return backwards, [_parse(value) for value in values]


def _parse(value: Any) -> Any:
    if not isinstance(value, str):
        return value
    if UUID_TEXT.fullmatch(value):
        return UUID(value)
    try:
        at = datetime.fromisoformat(value)
    except ValueError as error:
        raise BadCursor("This cursor is not one of ours.") from error
    if at.tzinfo is None:
        raise BadCursor("This cursor is not one of ours.")
    return at
