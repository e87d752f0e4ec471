"""Who may agree to what waits: the right for its kind, and neither its author nor who gains by it."""

from dataclasses import replace

import pytest

from approvals.models import Proposal
from approvals.policy.agreeing import Second, may_refuse, why_not_agree

NOBODY = Second(lead=False, superuser=False, changes_policies=False, accounts=frozenset({7}), groups=frozenset())
LEAD, SUPERUSER = replace(NOBODY, lead=True), replace(NOBODY, superuser=True)
POLICY_ADMIN = replace(NOBODY, changes_policies=True)


def proposal(kind: str, **about: int) -> Proposal:
    return Proposal(kind=kind, proposed_by_id=1, **about)


@pytest.mark.parametrize(
    ("kind", "may"),
    [
        ("policy", [POLICY_ADMIN]),
        ("switch", [LEAD]),
        ("person", [LEAD, SUPERUSER]),
        ("group", [LEAD, SUPERUSER]),
    ],
)
def test_each_kind_has_its_people(kind, may):
    asked = proposal(kind)
    for who in (NOBODY, LEAD, SUPERUSER, POLICY_ADMIN):
        assert (why_not_agree(asked, who) is None) == (who in may), who
        assert may_refuse(asked, who) == (who in may), who


@pytest.mark.parametrize(
    ("asked", "who", "word"),
    [
        (proposal("person"), replace(LEAD, accounts=frozenset({7, 1})), "asked for this"),
        (proposal("person", person_id=9), replace(LEAD, accounts=frozenset({7, 9})), "would gain"),
        (proposal("group", group_id=3), replace(LEAD, groups=frozenset({3, 4})), "in this group"),
    ],
)
def test_neither_its_author_nor_who_gains_agrees_but_both_may_end_it(asked, who, word):
    assert word in (why_not_agree(asked, who) or "")
    assert may_refuse(asked, who)


def test_its_author_takes_it_back_without_any_right():
    assert may_refuse(proposal("person"), replace(NOBODY, accounts=frozenset({1})))
