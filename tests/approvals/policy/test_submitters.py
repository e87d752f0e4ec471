"""Who a patch names: one address or account in one spelling, and which spellings are one person."""

import pytest

from approvals.policy.submitters import all_in, one_person, same


@pytest.mark.parametrize(
    "value",
    ["ann@example.org", "Ann.Lee+ci@sub.example.org", "ann", "release-team", "renovate[bot]", "josé", "a" * 255, "x@y"],
)
def test_one_address_or_account_is_kept_as_sent(value):
    assert one_person(value) == value


@pytest.mark.parametrize("nothing", ["", " ", "\t"])
def test_blank_is_nobody(nothing):
    assert one_person(nothing) == ""


WRONG = [
    "Ann <ann@example.org>", "<ann@example.org>", "Ann Lee", "ann@example.org, bob@example.org", "ann;bob", "ann,bob",
    "ann@example.org bob@example.org", "ann@example.org.", "ann.", "ann@example.org\u200b", "an\u200bn", "an\u00adn",
    "\uff41nn@example.org", "ann\uff20example.org", "ann@example\u3002org", "ann@@example.org", "@example.org", "ann@",
    " ann@example.org", "ann@example.org\n", "ann..lee@example.org", '"ann"@example.org', "ann@[127.0.0.1]",
    "ann@ex\u00e4mple.org", "a\u0301nn", "ann(x)@example.org", "mailto:ann@example.org", "ann\u1160",
    "ORG\\ann", "+", "-",
]  # fmt: skip


@pytest.mark.parametrize("value", WRONG)
def test_anything_else_is_refused(value):
    with pytest.raises(ValueError, match="one e-mail address"):
        one_person(value)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("ANN@Example.org", "ann@example.org"),
        ("ann+ci@example.org", "ann@example.org"),
        ("ann+a+b@example.org", "ann+c@example.org"),
        ("ann@example.org.", "ann@example.org"),
        ("ann@b\u00fccher.example", "ann@xn--bcher-kva.example"),
        ("a\u200bnn", "ann"),
    ],
)
def test_spellings_of_one_person_are_the_same(one, other):
    assert same(one) == same(other)


@pytest.mark.parametrize(("one", "other"), [("ann", "anna"), ("ann@example.org", "ann@example.com"), ("a+b", "a")])
def test_other_people_are_not(one, other):
    assert same(one) != same(other)


def test_everybody_in_an_old_value_is_found():
    assert {"ann@example.org", "bob"} <= all_in("Ann <ann+x@example.org>, bob")
