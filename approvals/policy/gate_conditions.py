"""A workflow gate's own conditions: a path into what was sent, an operator of the policies' form, a value. Pure."""

from collections.abc import Mapping
from typing import Any, NamedTuple

from .conditions import BadCondition, holds
from .evaluate import Outcome
from .operators import COMPARING, OPERATORS

SPELLINGS = {
    **{name: name for name in OPERATORS},
    **{"==": "equals", "!=": "notEquals", ">": "greaterThan", ">=": "greaterThanOrEquals"},
    **{"<": "lessThan", "<=": "lessThanOrEquals"},
    **{"eq": "equals", "ne": "notEquals", "gt": "greaterThan", "gte": "greaterThanOrEquals"},
    **{"lt": "lessThan", "lte": "lessThanOrEquals"},
}
"""Every way in which workflow engines write an operator, and its name in `OPERATORS`."""

ASKED = {
    "equals": "sent == value",
    "notEquals": "sent != value",
    "contains": "sent.contains(value)",
    "startsWith": "sent.startsWith(value)",
    "endsWith": "sent.endsWith(value)",
    "in": "sent in value",
    "notIn": "!(sent in value)",
    **{name: f"sent {sign} value" for name, sign in COMPARING.items()},
}
"""Each operator in CEL, the language of the policies' conditions: text is no number, and true is not 1."""

NOT_SENT = object()


class GateCondition(NamedTuple):
    """One condition as it was sent, with the operator's name as `OPERATORS` has it."""

    field: str
    operator: str
    value: Any


def read(field: str, operator: str, value: Any) -> GateCondition:
    """Return a condition that can hold. Raise BadCondition for an operator that does not exist or a value that it
    cannot compare with."""
    name = SPELLINGS.get(operator)
    if name is None:
        raise BadCondition(f"there is no operator {operator}: write one of {', '.join(OPERATORS)}")
    if value is None:
        raise BadCondition("needs a value to compare with")
    if name in COMPARING and not _is_number(value):
        raise BadCondition(f"{name} compares numbers")
    if name in {"startsWith", "endsWith"} and not isinstance(value, str):
        raise BadCondition(f"{name} compares texts")
    if name == "contains" and isinstance(value, dict | list):
        raise BadCondition("contains asks for one value")
    if name in {"in", "notIn"} and not (isinstance(value, list) and value):
        raise BadCondition(f"{name} takes a list of values")
    return GateCondition(field, name, value)


def judged(request: Mapping[str, Any]) -> tuple[Outcome, ...]:
    """Return what comes of each of a request's `auto_approve_conditions` in its `context` and `metadata`.

    What was not sent meets none, not even `notEquals`; nor does anything meet one that `read` would refuse today.
    """
    return tuple(_judged(sent, request) for sent in request["auto_approve_conditions"])


def found(path: str, context: dict[str, Any], metadata: dict[str, Any]) -> Any:
    """Return what stands at a dotted path such as `config.env` or `results.0.passed` in the context, at `metadata.…`
    in the metadata; NOT_SENT where nothing does or where it is null."""
    value: Any = context
    steps = path.split(".")
    if steps[0] == "metadata" and len(steps) > 1:
        value, steps = metadata, steps[1:]
    for step in steps:
        if isinstance(value, list) and step.isascii() and step.isdecimal():
            value = value[int(step)] if int(step) < len(value) else None
        else:
            value = value.get(step) if isinstance(value, dict) else None
    return NOT_SENT if value is None else value


def _judged(sent: Mapping[str, Any], request: Mapping[str, Any]) -> Outcome:
    try:
        condition = read(**sent)
    except BadCondition:  # kept from before conditions were read
        return "fail"
    return _outcome(condition, found(condition.field, request["context"], request["metadata"]))


def _outcome(condition: GateCondition, sent: Any) -> Outcome:
    _, operator, value = condition
    if sent is NOT_SENT:
        return "absent"
    if operator in COMPARING and not _is_number(sent):
        return "fail"
    text = "value in sent" if operator == "contains" and isinstance(sent, list) else ASKED[operator]
    return "pass" if holds(text, {"sent": sent, "value": value}) else "fail"


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
