"""Conditions from a field, an operator and a value, for people who do not write CEL. Pure."""

import json
from typing import Any

from .conditions import ABSENT, FACTS, BadCondition

OPERATORS = {
    "equals": "equals",
    "notEquals": "does not equal",
    "greaterThan": "is greater than",
    "greaterThanOrEquals": "is at least",
    "lessThan": "is less than",
    "lessThanOrEquals": "is at most",
    "contains": "contains",
    "startsWith": "starts with",
    "endsWith": "ends with",
    "in": "is one of",
    "notIn": "is none of",
}
"""The operators of the workflow engine whose conditions our users know, with the words a form shows."""

COMPARING = {
    "greaterThan": ">",
    "greaterThanOrEquals": ">=",
    "lessThan": "<",
    "lessThanOrEquals": "<=",
}


def written(field: str, operator: str, value: str) -> str:
    """Return one condition in CEL; `in` and `notIn` take values with commas between. Raise BadCondition."""
    if field not in FACTS:
        raise BadCondition(f"There is no fact {field}.")
    if operator not in OPERATORS:
        raise BadCondition(f"There is no operator {operator}.")
    if not value.strip():
        raise BadCondition("Write a value to compare with.")
    condition = _condition(field, operator, value.strip())
    return f"({field} != null && {condition})" if field in ABSENT else condition


def _condition(field: str, operator: str, value: str) -> str:
    sample = FACTS[field]
    if isinstance(sample, list):
        return _on_list(field, operator, value)
    if operator in {"in", "notIn"}:
        values = ", ".join(_literal(field, item.strip()) for item in value.split(",") if item.strip())
        return f"{field} in [{values}]" if operator == "in" else f"!({field} in [{values}])"
    if operator in COMPARING:
        if isinstance(sample, bool) or not isinstance(sample, int | float):
            raise BadCondition(f"{field} is no number: compare it with equals or is one of.")
        return f"{field} {COMPARING[operator]} {_literal(field, value)}"
    if operator in {"contains", "startsWith", "endsWith"}:
        if not isinstance(sample, str):
            raise BadCondition(f"{field} is no text.")
        return f"{field}.{operator}({_literal(field, value)})"
    return f"{field} {'==' if operator == 'equals' else '!='} {_literal(field, value)}"


def _on_list(field: str, operator: str, value: str) -> str:
    if operator == "contains":
        return f"{json.dumps(value)} in {field}"
    raise BadCondition(f"{field} is a list: ask whether it contains a value.")


def _literal(field: str, value: str) -> str:
    """Return a value as CEL writes it, of the type of the fact."""
    sample: Any = FACTS[field]
    if isinstance(sample, bool):
        if value.lower() not in {"true", "false"}:
            raise BadCondition(f"{field} is true or false.")
        return value.lower()
    if isinstance(sample, int | float):
        try:
            return repr(float(value) if "." in value else int(value))
        except ValueError as error:
            raise BadCondition(f"{field} is a number.") from error
    return json.dumps(value, ensure_ascii=False)
