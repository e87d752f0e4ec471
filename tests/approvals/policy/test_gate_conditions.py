"""What a workflow sends beside its gate holds only where it plainly does."""

import pytest

from approvals.policy.conditions import BadCondition
from approvals.policy.gate_conditions import ASKED, SPELLINGS, judged, read
from approvals.policy.operators import OPERATORS

CONTEXT = {
    "config": {"env": "dev", "replicas": 3, "dry": True, "nothing": None},
    "results": [{"passed": 41, "failed": 0, "tags": ["smoke", 7]}],
}
METADATA = {"ref": "refs/heads/main", "env": "production"}


def outcome(field, operator, value):
    condition = {"field": field, "operator": operator, "value": value}
    return judged({"auto_approve_conditions": [condition], "context": CONTEXT, "metadata": METADATA})[0]


@pytest.mark.parametrize(
    ("field", "operator", "value", "expected"),
    [
        ("config.env", "equals", "dev", "pass"),
        ("config.env", "equals", "Dev", "fail"),
        ("config.env", "==", "dev", "pass"),
        ("config.env", "notEquals", "production", "pass"),
        ("config.env", "ne", "dev", "fail"),
        ("config.env", "contains", "e", "pass"),
        ("config.env", "startsWith", "d", "pass"),
        ("config.env", "endsWith", "d", "fail"),
        ("config.env", "in", ["dev", "test"], "pass"),
        ("config.env", "notIn", ["dev", "test"], "fail"),
        ("config.replicas", "gt", 2.5, "pass"),
        ("config.replicas", ">=", 3, "pass"),
        ("config.replicas", "lt", 3, "fail"),
        ("config.replicas", "<=", 3, "pass"),
        ("config.replicas", "equals", 3.0, "pass"),
        ("config.replicas", "equals", "3", "fail"),
        ("config.replicas", "contains", 3, "fail"),
        ("config.replicas", "startsWith", "3", "fail"),
        ("config.env", "gt", 2, "fail"),
        ("config.dry", "equals", True, "pass"),
        ("config.dry", "equals", 1, "fail"),
        ("config.dry", "gt", 0, "fail"),
        ("results.0.failed", "equals", 0, "pass"),
        ("results.0.tags", "contains", "smoke", "pass"),
        ("results.0.tags", "contains", "smok", "fail"),
        ("results.0.tags", "contains", 7, "pass"),
        ("metadata.ref", "endsWith", "/main", "pass"),
        ("metadata.env", "equals", "production", "pass"),
        ("config", "equals", {"env": "dev"}, "fail"),
        # What was not sent meets nothing.
        ("config.nothing", "notEquals", "dev", "absent"),
        ("config.no", "notEquals", "dev", "absent"),
        ("config.no", "notIn", ["dev"], "absent"),
        ("config.env.deeper", "notEquals", "dev", "absent"),
        ("results.1.failed", "equals", 0, "absent"),
        ("results.-1.failed", "equals", 0, "absent"),
        ("env", "equals", "production", "absent"),
        ("metadata", "notEquals", "x", "absent"),
    ],
)
def test_a_condition_holds_only_where_it_plainly_does(field, operator, value, expected):
    assert outcome(field, operator, value) == expected


@pytest.mark.parametrize(
    ("operator", "value", "words"),
    [
        ("matches", "x", "no operator matches: write one of equals, notEquals"),
        ("Equals", "x", "no operator Equals"),
        ("equals", None, "needs a value"),
        ("gt", "9", "compares numbers"),
        ("gte", True, "compares numbers"),
        ("startsWith", 1, "compares texts"),
        ("contains", ["a"], "one value"),
        ("in", "a, b", "takes a list"),
        ("notIn", [], "takes a list"),
    ],
)
def test_a_condition_that_could_never_hold_is_refused(operator, value, words):
    with pytest.raises(BadCondition, match=words):
        read("config.env", operator, value)


def test_every_operator_of_the_policies_form_is_there():
    assert ASKED.keys() == OPERATORS.keys() == set(SPELLINGS.values())
