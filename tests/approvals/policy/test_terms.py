"""What a policy's terms about time may say, and the sentence their author reads otherwise."""

import pytest

from approvals.policy.terms import names_only_low, wrong_end, wrong_levels, wrong_reminders

GOOD = {"after_seconds": 600, "groups": ["security-leads"], "people": ["dana"], "unopened": True}


@pytest.mark.parametrize("levels", [[], [GOOD], [{"after_seconds": 1, "people": ["dana"]}, GOOD]])
def test_levels_that_can_be_kept_are_taken(levels):
    assert wrong_levels(levels, 3600) is None


@pytest.mark.parametrize(
    ("levels", "words"),
    [
        ({}, "Further levels are a list"),
        ([GOOD] * 10, "9 levels after the first"),
        (["leads"], "Level 2: write an object"),
        ([GOOD, GOOD | {"after": 1}], "Level 3: there is no after;"),
        ([GOOD | {"after_seconds": True}], "Level 2: after_seconds is a whole number"),
        ([GOOD | {"after_seconds": 0}], "Level 2: after_seconds is a whole number"),
        ([GOOD | {"after_seconds": 10**9}], "Level 2: after_seconds is a whole number"),
        ([{"groups": ["security-leads"]}], "Level 2: after_seconds is a whole number"),
        ([{"after_seconds": 5}], "Level 2: name at least one group or person"),
        ([GOOD | {"groups": "leads"}], "Level 2: groups is a list of names."),
        ([GOOD | {"people": [7]}], "Level 2: people is a list of names."),
        ([GOOD | {"people": ["x"] * 21}], "Level 2: people may have 20 names."),
        ([GOOD | {"unopened": "yes"}], "Level 2: unopened is true or false."),
    ],
)
def test_levels_that_cannot_be_kept_are_named_in_a_sentence(levels, words):
    assert words in (wrong_levels(levels, 3600) or "")


def test_further_levels_need_a_first():
    assert "Further levels follow the first" in (wrong_levels([GOOD], None) or "")


@pytest.mark.parametrize(("percents", "good"), [([], True), ([50, 80, 95], True), ([80, 50], False), ([50, 50], False)])
def test_reminders_rise(percents, good):
    assert (wrong_reminders(percents) is None) == good


@pytest.mark.parametrize("percents", [[0], [100], [50, 120]])
def test_reminders_come_before_the_end(percents):
    assert wrong_reminders(percents)


@pytest.mark.parametrize(
    "match",
    [
        "severity == 'low'",
        'priority == "low"',
        "ecosystem == 'pypi' && severity=='low'",
        "severity == 'low' && (producer == 'a' || producer == 'b')",
        "severity == 'low' && package_name.startsWith('x||y')",
    ],
)
def test_a_condition_that_asks_for_low_may_approve_at_the_end(match):
    assert names_only_low(match)
    assert wrong_end("approve", 60, match) is None


@pytest.mark.parametrize(
    "match",
    [
        "true",
        "severity == 'medium'",
        "severity != 'low'",
        "!(severity == 'low')",
        "severity == 'low' || true",
        "severity == 'low' || kev && severity == 'low'",
        "kev && severity == 'low' || kev",
        "kev ? true : false && severity == 'low'",
        "(severity == 'low' || true)",
        "severity in ['low', 'medium']",
        "producer == \"severity == 'low'\"",
        "producer == 'x && severity == \"low\" && y'",
    ],
)
def test_a_condition_that_can_cover_more_may_not(match):
    assert "Only low severity" in (wrong_end("approve", 60, match) or "")


@pytest.mark.parametrize("action", ["escalate", "approve"])
def test_an_action_at_the_end_needs_an_end(action):
    assert wrong_end(action, None, "severity == 'low'") == "Without a time to expiry nothing happens at its end."
    assert wrong_end("expire", None, "true") is None
