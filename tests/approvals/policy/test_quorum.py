"""When approvals add up. No database."""

import pytest
from hypothesis import given
from hypothesis import strategies as some

from approvals.policy.quorum import Approver, missing


def people(*ids: int, groups: str = "reviewer") -> list[Approver]:
    return [Approver(id, frozenset(groups.split())) for id in ids]


LEAD = Approver(9, frozenset({"security-leads"}))


@pytest.mark.parametrize(
    ("approvers", "required", "groups", "sentences"),
    [
        ([], 1, [], ["1 more approval"]),
        (people(1), 1, [], []),
        (people(1), 3, [], ["2 more approvals"]),
        (people(1, 1, 1), 2, [], ["1 more approval"]),
        (people(1, 2), 2, ["security-leads"], ["an approval from security-leads"]),
        ([*people(1), LEAD], 2, ["security-leads"], []),
        ([LEAD], 2, ["security-leads"], ["1 more approval"]),
        (
            [],
            2,
            ["security-leads", "legal"],
            ["2 more approvals", "an approval from security-leads", "an approval from legal"],
        ),
        ([Approver(1, frozenset({"legal", "security-leads"}))], 1, ["security-leads", "legal"], []),
    ],
)
def test_what_is_missing_is_said(approvers, required, groups, sentences):
    assert missing(approvers, required, groups) == sentences


@given(some.lists(some.integers(1, 5)), some.integers(1, 6))
def test_only_distinct_people_reach_a_quorum(ids, required):
    assert (missing(people(*ids), required, []) == []) == (len(set(ids)) >= required)
