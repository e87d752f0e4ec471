"""What a workflow sent with its gate, as pages show it: values from outside, so nothing here is markup."""

import json
from itertools import islice
from typing import Any, TypedDict

from django import template

register = template.Library()

SHORT = 80  # characters of a value on a card


class Row(TypedDict):
    """One fact: its name, its value as one line, or as indented JSON where it has parts."""

    name: str
    text: str
    json: str


@register.filter
def rows(facts: dict[str, Any]) -> list[Row]:
    """Return every fact of an object, in the order of the canonical document."""
    return [_row(name, value) for name, value in facts.items()]


@register.filter
def first(facts: dict[str, Any], number: int) -> list[Row]:
    """Return the first facts for a card, each cut to one short line; a value with parts says how many it has."""
    found = []
    for name, value in islice(facts.items(), number):
        text = f"{len(value)} values" if isinstance(value, dict | list) else _line(value)
        found.append(Row(name=name, text=text if len(text) <= SHORT else f"{text[: SHORT - 1]}…", json=""))
    return found


@register.filter
def line(value: Any) -> str:
    """Return a JSON value on one line: text as it is, anything else as JSON writes it."""
    return _line(value)


def _row(name: str, value: Any) -> Row:
    parts = isinstance(value, dict | list) and bool(value)
    return Row(
        name=name,
        text="" if parts else _line(value),
        json=json.dumps(value, indent=2, ensure_ascii=False) if parts else "",
    )


def _line(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
