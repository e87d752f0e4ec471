"""JSON from bytes, bounded before anything is made of it: UTF-8 only, no key twice, so deep and so large; and the walk
over what was read. No recursion anywhere: what somebody sends never decides how deep our stack is."""

import json
import re
from collections import Counter
from collections.abc import Iterator
from itertools import islice
from typing import Any

from approvals.errors import Invalid, Refusal

MAX_DEPTH = 50
MAX_NODES = 50_000  # values: each object, list, text, number, true, false and null; names do not count
MAX_STRINGS = 2 * MAX_NODES  # so many values, each with its name
MAX_ERRORS = 20  # as many as one answer lists

Object = dict[str, Any]
Path = tuple[str | int, ...]

# Possessive (nothing is tried twice) and content with a text that never ends: time is linear in any input.
TEXT = re.compile(rb'"(?:[^"\\]++|\\[\s\S])*+"?')
STEPS = {ord("["): 1, ord("{"): 1, ord("]"): -1, ord("}"): -1}
NOT_STEPS = bytes(set(range(256)) - set(STEPS))


class TooComplex(Refusal):
    """A document that is deeper or has more values than anybody needs."""

    title = "Bad Request"


def read(raw: bytes) -> Any:
    """Return the document; a byte order mark is skipped. Raise ValueError (also for what is not UTF-8), TooComplex, or
    Invalid for a key that stands twice: readers differ in which value they take (RFC 8259, section 4), so the digest
    would be of one document and the approval of another."""
    return measured(raw)[0]


def measured(raw: bytes) -> tuple[Any, int]:
    """Return the document and the number of its values; raise as `read` does."""
    nodes = bounded(raw)
    doubled: list[tuple[Object, str]] = []

    def gather(pairs: list[tuple[str, Any]]) -> Object:
        whole = dict(pairs)
        if len(whole) < len(pairs):
            doubled.append((whole, Counter(name for name, _ in pairs).most_common(1)[0][0]))
        return whole

    document = json.loads(raw.decode("utf-8-sig"), object_pairs_hook=gather)
    if doubled:
        keys = {id(whole): name for whole, name in doubled}
        twice = ((*path, keys[id(found)]) for path, found in walk(document) if id(found) in keys)
        errors = [{"loc": ["body", *path], "msg": "is given twice"} for path in islice(twice, MAX_ERRORS)]
        raise Invalid("The request is not valid.", errors=errors)
    return document, nodes


def bounded(raw: bytes) -> int:
    """Return how many values a JSON text has, read as bytes: 8 MiB of `[],` would be 200 MB of lists. Raise TooComplex.

    Where the text is no JSON the number means nothing, but a parser has met no more values than it says by then.
    """
    bare, strings = TEXT.subn(b'"', raw, count=MAX_STRINGS + 1)
    if strings > MAX_STRINGS:
        raise TooComplex(f"The JSON has more than {MAX_NODES:,} values.")
    bare = bare.translate(None, b" \t\r\n")
    empty = bare.count(b"[]") + bare.count(b"{}")
    nodes = 1 + bare.count(b",") + bare.count(b"[") + bare.count(b"{") - empty
    if nodes > MAX_NODES:
        raise TooComplex(f"The JSON has more than {MAX_NODES:,} values.")
    depth = 0
    for bracket in bare.translate(None, NOT_STEPS):
        depth += STEPS[bracket]
        if depth > MAX_DEPTH:
            raise TooComplex(f"The JSON is nested more than {MAX_DEPTH} levels deep.")
        if depth < 0:
            break  # no JSON; its parser will say so
    return nodes


def walk(document: Any) -> Iterator[tuple[Path, Any]]:
    """Yield each value with the names and positions that lead to it, in the order of the text."""
    yield (), document
    open_: list[tuple[Path, Iterator[tuple[Any, Any]]]] = [((), _inside(document))]
    while open_:
        path, items = open_[-1]
        for name, value in items:
            here = (*path, name)
            yield here, value
            if isinstance(value, dict | list):
                open_.append((here, _inside(value)))
                break
        else:
            open_.pop()


def _inside(value: Any) -> Iterator[tuple[Any, Any]]:
    if isinstance(value, dict):
        return iter(value.items())
    return iter(enumerate(value)) if isinstance(value, list) else iter(())
