"""When approvals add up. No database."""

import pytest
from hypothesis import given
from hypothesis import strategies as some

from approvals.policy.quorum import Approver, missing, must_come_from


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
            ["2 more approvals, one from security-leads and one from legal"],
        ),
        ([], 2, ["security-leads"], ["2 more approvals, one from security-leads"]),
        (people(1), 2, ["security-leads"], ["1 more approval, from security-leads"]),
        (people(1), 2, ["a", "b"], ["an approval from a", "an approval from b"]),
        ([Approver(1, frozenset({"legal", "security-leads"}))], 1, ["security-leads", "legal"], []),
    ],
)
def test_what_is_missing_is_said(approvers, required, groups, sentences):
    assert missing(approvers, required, groups) == sentences


@pytest.mark.parametrize(
    ("approvers", "required", "groups", "only"),
    [
        ([], 2, ["security-leads"], []),
        (people(1), 2, ["security-leads"], ["security-leads"]),
        (people(1, 2), 2, ["security-leads"], ["security-leads"]),
        ([LEAD], 2, ["security-leads"], []),
        ([], 1, [], []),
    ],
)
def test_only_some_groups_may_unblock_it(approvers, required, groups, only):
    assert must_come_from(approvers, required, groups) == only


@given(some.lists(some.integers(1, 5)), some.integers(1, 6))
def test_only_distinct_people_reach_a_quorum(ids, required):
    assert (missing(people(*ids), required, []) == []) == (len(set(ids)) >= required)
