"""The table of policy terms: a column that says what a policy does lacks neither field, words nor a rule."""

from decimal import Decimal

import pytest

from approvals.admin.policies import PolicyForm
from approvals.models import Policy, PolicyVersion
from approvals.policy.loosening import loosens
from approvals.policy.term_table import TERMS, described

NO_TERMS = {"id", "policy", "version", "sha256", "created_by", "created_at"}
"""The columns that say which version it is, and of whom."""
PLACE = {"name": "low", "position": 1, "enabled": True}


def test_every_column_of_a_version_is_a_term():
    assert {field.name for field in PolicyVersion._meta.fields} - NO_TERMS == set(TERMS)


@pytest.mark.parametrize("term", TERMS.values(), ids=TERMS)
def test_no_term_lacks_anything(term):
    assert PolicyForm.base_fields[term.name].label == term.label != ""
    told = TERMS[term.told_in] if term.told_in else term
    assert told.title
    assert told.words is not None
    version = PolicyVersion(policy=Policy(name="low"), version=1, match="true")
    assert told.words(version, Decimal("0.95"))
    plain = {name: getattr(version, name) for name in TERMS}
    assert term.looser(plain, plain) == "", "what stays as it is loosens nothing"


def test_each_row_of_a_page_has_a_title_of_its_own():
    version = PolicyVersion(policy=Policy(name="low"), version=1, match="true")
    assert len(described(version, Decimal("0.95"))) == len([term for term in TERMS.values() if not term.told_in])


def test_a_change_of_several_terms_says_first_what_people_no_longer_do():
    old = {name: getattr(PolicyVersion(match="true"), name) for name in TERMS} | {"required_approvals": 2}
    new = old | {"required_approvals": 1, "auto_approval": "enforce"}
    assert loosens(old, new, PLACE, PLACE) == [
        "Fewer approvals: 1 instead of 2.",
        "Patches that meet every condition are approved without a person.",
    ]


def test_less_time_before_patches_are_approved_by_its_end_loosens():
    old = {name: getattr(PolicyVersion(match="severity == 'low'"), name) for name in TERMS}
    old |= {"expire_action": "approve", "expire_after_seconds": 604_800}
    said = "Patches that nobody decides are approved after 1 min instead of 7 d."
    assert loosens(old, old | {"expire_after_seconds": 60}, PLACE, PLACE) == [said]
    assert loosens(old | {"expire_after_seconds": 60}, old, PLACE, PLACE) == []
    expiring = old | {"expire_action": "expire"}
    assert loosens(expiring, expiring | {"expire_after_seconds": 60}, PLACE, PLACE) == []


@pytest.mark.parametrize(
    ("fewer", "why"),
    [
        ({"decider_groups": ["night"]}, "Fewer people may object before patches that nobody decides are approved."),
        ({"escalate_after_seconds": None}, "Leads are asked never, not after 1 h about patches that time approves."),
        ({"escalation": []}, "Whom further levels ask, or when, changes for patches that time approves."),
    ],
)
def test_fewer_who_look_before_time_approves_loosens_and_elsewhere_does_not(fewer, why):
    chain = [{"after_seconds": 60, "groups": ["auditor"]}]
    old = {name: getattr(PolicyVersion(match="severity == 'low'"), name) for name in TERMS}
    old |= {"expire_action": "approve", "escalate_after_seconds": 3600, "escalation": chain}
    assert loosens(old, old | fewer, PLACE, PLACE) == [why]
    expiring = old | {"expire_action": "expire"}
    assert loosens(expiring, expiring | fewer, PLACE, PLACE) == []
