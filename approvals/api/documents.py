"""JSON bodies from bytes: UTF-8 only, and no key twice."""

import json
from collections import Counter
from collections.abc import Iterator
from typing import Any, cast

from django.http import HttpRequest
from ninja.parser import Parser
from ninja.types import DictStrAny

from approvals.errors import Invalid

Object = dict[str, Any]


class BodyParser(Parser):
    """Ninja's parser, as strict as `read`."""

    def parse_body(self, request: HttpRequest) -> DictStrAny:
        return cast(DictStrAny, read(request.body))


def read(raw: bytes) -> Any:
    """Return the document; a byte order mark is skipped. Raise ValueError (also for what is not UTF-8),
    RecursionError, or Invalid for a key that stands twice: readers differ in which value they take (RFC 8259,
    section 4), so the digest would be of one document and the approval of another."""
    doubled: list[tuple[Object, str]] = []

    def gather(pairs: list[tuple[str, Any]]) -> Object:
        whole = dict(pairs)
        if len(whole) < len(pairs):
            doubled.append((whole, Counter(name for name, _ in pairs).most_common(1)[0][0]))
        return whole

    document = json.loads(raw.decode("utf-8-sig"), object_pairs_hook=gather)
    if doubled:
        keys = {id(whole): name for whole, name in doubled}
        errors = [
            {"loc": ["body", *path, keys[id(found)]], "msg": "is given twice"}
            for found, path in _objects(document)
            if id(found) in keys
        ]
        raise Invalid("The request is not valid.", errors=errors)
    return document


def _objects(value: Any, path: tuple[str | int, ...] = ()) -> Iterator[tuple[Object, tuple[str | int, ...]]]:
    """Yield each object in a document with the names and positions that lead to it."""
    if isinstance(value, dict):
        yield value, path
        inside: Iterator[tuple[Any, Any]] = iter(value.items())
    elif isinstance(value, list):
        inside = enumerate(value)
    else:
        return
    for name, item in inside:
        yield from _objects(item, (*path, name))
