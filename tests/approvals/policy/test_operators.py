"""A field, an operator and a value become CEL that says the same, and never more when something is absent."""

import pytest

from approvals.policy.conditions import ABSENT, FACTS, BadCondition, check, holds
from approvals.policy.operators import OPERATORS, written

LACKING = {**FACTS, **dict.fromkeys(ABSENT)}


@pytest.mark.parametrize(
    ("field", "operator", "value", "is_so"),
    [
        ("ecosystem", "equals", "pypi", True),
        ("ecosystem", "equals", "npm", False),
        ("ecosystem", "notEquals", "npm", True),
        ("cvss", "greaterThan", "7.5", False),
        ("cvss", "greaterThanOrEquals", "7.5", True),
        ("files", "lessThan", "2", True),
        ("confidence", "lessThanOrEquals", "0.9", True),
        ("package_name", "contains", "jang", True),
        ("package_name", "startsWith", "dj", True),
        ("package_name", "endsWith", "dj", False),
        ("cwe_ids", "contains", "CWE-89", True),
        ("cwe_ids", "contains", "CWE-79", False),
        ("severity", "in", "low, high", True),
        ("severity", "notIn", "low, high", False),
        ("kev", "equals", "false", True),
        ("files", "in", "1, 2", True),
        ("package_name", "equals", 'it\'s "quoted" \\ back', False),
    ],
)
def test_each_operator_says_what_it_says(field, operator, value, is_so):
    text = written(field, operator, value)
    check(text)
    assert holds(text, FACTS) is is_so


def test_there_are_eleven_operators():
    assert len(OPERATORS) == 11


@pytest.mark.parametrize("operator", ["equals", "notEquals", "contains", "startsWith", "endsWith", "in", "notIn"])
def test_what_is_absent_meets_nothing(operator):
    assert not holds(written("package_name", operator, "x"), LACKING)


def test_an_absent_number_is_neither_above_nor_below():
    for operator in ("greaterThan", "lessThan", "greaterThanOrEquals", "lessThanOrEquals"):
        assert not holds(written("confidence", operator, "0.5"), LACKING)


@pytest.mark.parametrize(
    ("field", "operator", "value"),
    [
        ("nothing", "equals", "x"),
        ("severity", "resembles", "x"),
        ("severity", "greaterThan", "low"),
        ("cvss", "contains", "7"),
        ("cvss", "equals", "high"),
        ("kev", "equals", "maybe"),
        ("cve_ids", "equals", "CVE-1"),
        ("severity", "equals", " "),
    ],
)
def test_what_cannot_be_asked_is_refused_with_a_sentence(field, operator, value):
    with pytest.raises(BadCondition):
        written(field, operator, value)
