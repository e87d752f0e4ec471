"""When an emergency bypass may be used, and that it takes the place of no rule. No database."""

from dataclasses import replace
from datetime import timedelta

import pytest

from approvals.models import Priority, Status, Verdict
from approvals.policy.bypass import Grant, unusable
from approvals.policy.rules import Absent, Intent, StepUp, refusal
from tests.approvals.policy.test_rules import FACTS, NOW, REVIEWER, SHA

GRANT = Grant(holder=REVIEWER.id, state="granted", covers=True, ends_at=NOW + timedelta(minutes=5))
ALONE = Intent(Verdict.APPROVE, SHA, alone=True)
HELD = replace(FACTS, bypass=GRANT)


def test_its_holder_may_use_it_while_it_runs_for_what_it_covers():
    assert unusable(GRANT, REVIEWER.id, NOW) is None
    assert refusal(HELD, REVIEWER, ALONE, NOW) is None


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"holder": 2}, "You hold no such emergency bypass."),
        ({"covers": False}, "names something else"),
        ({"state": "asked", "ends_at": None}, "a second person must"),
        ({"state": "refused", "ends_at": None}, "is not granted"),
        ({"state": "ended", "ended_at": NOW}, "was ended at 20 Nov 2026 12:00:00 UTC"),
        ({"ends_at": NOW}, "ended at 20 Nov 2026 12:00:00 UTC"),
    ],
)
def test_why_it_cannot_be_used(wrong, words):
    facts = replace(FACTS, bypass=replace(GRANT, **wrong))
    sentence = refusal(facts, REVIEWER, ALONE, NOW)
    assert words in sentence
    assert sentence.endswith("Nothing was changed.")
    assert refusal(facts, REVIEWER, replace(ALONE, alone=False), NOW) is None, "whoever does not use it is not asked"
    assert refusal(facts, REVIEWER, replace(ALONE, verdict=Verdict.REJECT), NOW) is None


def test_one_that_is_not_there_is_not_yours():
    assert "You hold no such" in unusable(None, REVIEWER.id, NOW)


@pytest.mark.parametrize(
    ("intent", "person"),
    [
        (replace(ALONE, displayed="card"), REVIEWER),
        (replace(ALONE, displayed="api"), REVIEWER),
        (replace(ALONE, bulk=True), REVIEWER),
        (ALONE, replace(REVIEWER, authn="token")),
    ],
)
def test_it_is_used_on_the_page_only(intent, person):
    assert refusal(HELD, person, intent, NOW) == "An emergency bypass is used on the patch's page only."


def test_it_is_not_used_in_somebody_elses_name():
    absent = Absent(9, "bob@example.org", "bob", "Bob", permissions=REVIEWER.permissions)
    intent = replace(ALONE, in_name_of=9)
    assert "in your own name" in refusal(HELD, replace(REVIEWER, absent=(absent,)), intent, NOW)


@pytest.mark.parametrize(
    ("facts", "words"),
    [
        ({"people": {"submitted_by": "alice"}}, "You submitted"),
        ({"decider_groups": frozenset({"security-leads"})}, "Only members of"),
        ({"allowed": frozenset({"bob"})}, "Only the people this gate names"),
        ({"sha256": "b" * 64}, "You decided on digest"),
        ({"status": Status.REJECTED, "outcome": "Rejected by bob."}, "Rejected by bob"),
        ({"expire_at": NOW}, "The time to decide ended"),
        ({"reviewers": frozenset({REVIEWER.id})}, "each person counts once"),
    ],
)
def test_every_other_rule_still_holds(facts, words):
    assert words in refusal(replace(HELD, **facts), REVIEWER, ALONE, NOW)


@pytest.mark.parametrize(
    ("role", "words"),
    [("submitted_by", "submitted this patch"), ("model_owner", "owns the model that scored it")],
)
def test_whoever_could_not_approve_it_cannot_let_somebody_approve_it_alone(role, words):
    granted = replace(GRANT, granted_by="Luis", granter=frozenset({"luis", "luis@example.org"}))
    facts = replace(HELD, people={role: "Luis <luis@example.org>"}, bypass=granted)
    sentence = refusal(facts, REVIEWER, ALONE, NOW)
    assert sentence == f"Luis, who granted this bypass, {words}, so it does not count here."
    assert refusal(facts, REVIEWER, replace(ALONE, alone=False), NOW) is None
    assert refusal(replace(facts, people={role: "carol"}), REVIEWER, ALONE, NOW) is None


def test_step_up_is_still_asked_for_and_last():
    facts = replace(HELD, step_up=True, priority=Priority.CRITICAL)
    assert isinstance(refusal(facts, REVIEWER, ALONE, NOW), StepUp)
    over = replace(facts, bypass=replace(GRANT, ends_at=NOW))
    assert "ended at" in refusal(over, REVIEWER, ALONE, NOW)
    assert refusal(facts, REVIEWER, replace(ALONE, authenticated_at=NOW), NOW) is None


def test_whoever_does_not_review_cannot_use_it():
    assert "Only reviewers" in refusal(HELD, replace(REVIEWER, permissions=frozenset()), ALONE, NOW)
