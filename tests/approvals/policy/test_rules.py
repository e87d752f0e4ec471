"""Who may decide, rule by rule and in their order. No database."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from approvals.models import NO_DEADLINE, Priority, Status, Verdict
from approvals.policy.rules import FRESH, ROLES, Absent, Change, DecisionFacts, Intent, Reviewer, Stale, StepUp, refusal

NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)
SHA = "a" * 64
FACTS = DecisionFacts(
    status=Status.PENDING, outcome="", sha256=SHA, priority=Priority.MEDIUM, expire_at=NOW + timedelta(hours=1)
)
REVIEWER = Reviewer(1, "alice@example.org", "alice", permissions=frozenset({"approvals.review_decision"}))
APPROVE = Intent(Verdict.APPROVE, SHA)
REJECT = Intent(Verdict.REJECT, SHA)


def test_a_reviewer_may_decide():
    for verdict in Verdict:
        assert refusal(FACTS, REVIEWER, Intent(verdict, SHA), NOW) is None


def test_a_reviewer_is_who_has_the_permission():
    nobody = replace(REVIEWER, permissions=frozenset({"approvals.view_decision"}))
    assert "Only reviewers" in refusal(FACTS, nobody, APPROVE, NOW)


# Intake refuses these now; patches that came before keep what they were sent with.
KEPT_FROM_BEFORE = [
    " alice@example.org\t",
    "Alice <alice@example.org>",
    "bob@example.org, alice@example.org",
    "Bob <bob@example.org>; Alice <alice+x@example.org>",
    "alice@example.org.",
    "ali\u200bce@example.org",
    "\uff41lice@example.org",
]


@pytest.mark.parametrize("role", ROLES)
@pytest.mark.parametrize(
    "spelling",
    [
        "alice@example.org",
        "ALICE@Example.ORG",
        "alice",
        " alice@example.org\t",
        *KEPT_FROM_BEFORE,
        "alice+ci@example.org",
    ],
)
def test_nobody_approves_a_patch_they_stand_behind(role, spelling):
    facts = replace(FACTS, people={role: spelling})
    sentence = refusal(facts, REVIEWER, APPROVE, NOW)
    assert sentence is not None
    assert "another person must approve" in sentence
    assert not isinstance(sentence, Stale)
    assert refusal(facts, REVIEWER, REJECT, NOW) is None


def test_an_address_the_provider_knows_somebody_by_is_theirs_too():
    facts = replace(FACTS, people={"submitted_by": "Al@Example.org"})
    assert "You submitted" in refusal(facts, replace(REVIEWER, addresses=frozenset({"al@example.org"})), APPROVE, NOW)


@pytest.mark.parametrize("other", ["", " ", "bob@example.org", "alice@example.com", "notalice", "malice@example.org"])
def test_other_people_on_the_patch_block_nobody(other):
    assert refusal(replace(FACTS, people=dict.fromkeys(ROLES, other)), REVIEWER, APPROVE, NOW) is None


def test_a_person_without_an_address_is_not_everybody_without_one():
    assert refusal(replace(FACTS, people={"submitted_by": ""}), replace(REVIEWER, email=""), APPROVE, NOW) is None


@pytest.mark.parametrize("verdict", list(Verdict))
def test_a_personal_token_decides_nothing_critical(verdict):
    by_token = replace(REVIEWER, authn="token")
    critical = replace(FACTS, priority=Priority.CRITICAL)
    assert "not with a personal token" in refusal(critical, by_token, Intent(verdict, SHA), NOW)
    assert refusal(replace(FACTS, priority=Priority.HIGH), by_token, Intent(verdict, SHA), NOW) is None


def test_critical_is_never_approved_in_bulk_but_may_be_rejected_so():
    critical = replace(FACTS, priority=Priority.CRITICAL)
    assert "never in bulk" in refusal(critical, REVIEWER, replace(APPROVE, bulk=True), NOW)
    assert refusal(critical, REVIEWER, replace(REJECT, bulk=True), NOW) is None


@pytest.mark.parametrize(
    ("displayed", "bulk", "opened", "priority", "allowed"),
    [
        ("page", False, True, Priority.MEDIUM, True),
        ("page", False, False, Priority.MEDIUM, False),
        ("page", False, False, Priority.LOW, True),
        ("api", False, False, Priority.MEDIUM, True),
        ("card", False, True, Priority.MEDIUM, True),
        ("card", False, False, Priority.MEDIUM, False),
        ("card", False, False, Priority.LOW, True),
        ("card", True, False, Priority.HIGH, False),
        ("api", True, False, Priority.HIGH, False),
        ("api", True, True, Priority.HIGH, True),
        ("api", True, False, Priority.LOW, True),
    ],
)
def test_people_approve_what_they_opened(displayed, bulk, opened, priority, allowed):
    intent = replace(APPROVE, displayed=displayed, bulk=bulk, opened=opened)
    assert (refusal(replace(FACTS, priority=priority), REVIEWER, intent, NOW) is None) == allowed
    assert refusal(replace(FACTS, priority=priority), REVIEWER, replace(intent, verdict=Verdict.REJECT), NOW) is None


CHANGE = Change("l" * 64, "f" * 64, frozenset({"crlf"}))


@pytest.mark.parametrize(
    ("read", "changes", "allowed"),
    [
        ((CHANGE,), {}, True),
        ((replace(CHANGE, codes=frozenset({"crlf", "mode"})),), {}, True),
        ((replace(CHANGE, lines="0" * 64), CHANGE), {}, True),
        ((), {}, False),
        ((replace(CHANGE, lines="0" * 64),), {}, False),
        ((replace(CHANGE, files="0" * 64),), {}, False),
        ((replace(CHANGE, codes=frozenset()),), {}, False),
        ((replace(CHANGE, codes=frozenset({"mode"})),), {}, False),
        ((CHANGE,), {"change": None}, False),
        ((CHANGE,), {"priority": Priority.CRITICAL}, False),
    ],
)
def test_in_bulk_it_is_enough_to_have_read_the_same_lines_without_fewer_marks(read, changes, allowed):
    facts = replace(FACTS, **{"change": CHANGE, **changes})
    intent = replace(APPROVE, displayed="card", opened=False, read=read)
    assert (refusal(facts, REVIEWER, replace(intent, bulk=True), NOW) is None) == allowed
    assert "Open the patch first" in refusal(facts, REVIEWER, intent, NOW)  # a single card is opened


ASKS = replace(FACTS, step_up=True)


@pytest.mark.parametrize(
    ("ago", "allowed"),
    [
        (timedelta(0), True),
        (FRESH, True),
        (FRESH + timedelta(microseconds=1), False),
        (timedelta(seconds=-1), False),  # a clock that was set back proves nothing
        (None, False),
    ],
)
def test_an_approval_needs_a_fresh_authentication_where_the_policy_says_so(ago, allowed):
    intent = replace(APPROVE, authenticated_at=None if ago is None else NOW - ago)
    sentence = refusal(ASKS, REVIEWER, intent, NOW)
    assert sentence is None if allowed else isinstance(sentence, StepUp)
    assert refusal(FACTS, REVIEWER, intent, NOW) is None
    assert refusal(ASKS, REVIEWER, replace(intent, verdict=Verdict.REJECT), NOW) is None


@pytest.mark.parametrize("change", [{"displayed": "card"}, {"displayed": "api"}, {"bulk": True}])
def test_step_up_is_for_the_page_only(change):
    fresh = replace(APPROVE, authenticated_at=NOW)
    assert isinstance(refusal(ASKS, REVIEWER, replace(fresh, **change), NOW), StepUp)
    assert isinstance(refusal(ASKS, replace(REVIEWER, authn="token"), fresh, NOW), StepUp)


def test_nobody_gives_a_password_for_what_is_decided():
    ended = replace(ASKS, status=Status.REJECTED, outcome="x")
    assert isinstance(refusal(ended, REVIEWER, APPROVE, NOW), Stale)


@pytest.mark.parametrize("status", [status for status in Status if status != Status.PENDING])
def test_what_has_ended_is_a_conflict_that_says_how(status):
    ended = replace(FACTS, status=status, outcome="Rejected by bob at noon (page).")
    sentence = refusal(ended, REVIEWER, APPROVE, NOW)
    assert isinstance(sentence, Stale)
    assert sentence == "Rejected by bob at noon (page). Nothing was changed."


@pytest.mark.parametrize("seen", ["b" * 64, "", SHA.upper(), SHA[:-1]])
def test_another_digest_than_the_present_one_is_a_conflict(seen):
    assert isinstance(refusal(FACTS, REVIEWER, replace(APPROVE, seen_sha256=seen), NOW), Stale)


def test_the_clock_ends_a_decision_to_the_microsecond():
    assert refusal(FACTS, REVIEWER, APPROVE, FACTS.expire_at - timedelta(microseconds=1)) is None
    assert isinstance(refusal(FACTS, REVIEWER, APPROVE, FACTS.expire_at), Stale)
    assert refusal(replace(FACTS, expire_at=NO_DEADLINE), REVIEWER, APPROVE, NO_DEADLINE) is None


def test_each_person_counts_once():
    assert isinstance(refusal(replace(FACTS, reviewers=frozenset({1})), REVIEWER, APPROVE, NOW), Stale)
    assert refusal(replace(FACTS, reviewers=frozenset({2})), REVIEWER, APPROVE, NOW) is None


def test_who_asks_is_judged_before_what_became_of_the_item():
    ended = replace(FACTS, status=Status.REJECTED, outcome="x", people={"submitted_by": "alice"}, sha256="b" * 64)
    sentence = refusal(ended, REVIEWER, APPROVE, NOW)
    assert not isinstance(sentence, Stale)


DANA = Absent(7, "dana@example.org", "dana", "Dana", frozenset({"leads"}), frozenset({"approvals.review_decision"}))
FOR_DANA = Intent(Verdict.APPROVE, SHA, in_name_of=7)
STANDING_IN = replace(REVIEWER, absent=(DANA,))


def test_who_stands_in_may_decide_in_both_names():
    assert refusal(FACTS, STANDING_IN, FOR_DANA, NOW) is None
    assert refusal(FACTS, STANDING_IN, APPROVE, NOW) is None


def test_nobody_decides_in_the_name_of_somebody_who_did_not_ask():
    assert "You do not stand in" in refusal(FACTS, REVIEWER, FOR_DANA, NOW)
    gone = replace(STANDING_IN, absent=(replace(DANA, permissions=frozenset()),))
    assert "Dana does not review any more" in refusal(FACTS, gone, FOR_DANA, NOW)


@pytest.mark.parametrize("role", ROLES)
@pytest.mark.parametrize("intent", [APPROVE, FOR_DANA], ids=["own name", "in her name"])
def test_who_stands_in_approves_nothing_the_absent_person_could_not(role, intent):
    facts = replace(FACTS, people={role: "Dana <DANA@example.org>"})
    sentence = refusal(facts, STANDING_IN, intent, NOW)
    assert sentence is not None
    assert sentence.startswith("You stand in for Dana, who ")
    assert " own " not in sentence
    assert refusal(facts, STANDING_IN, replace(intent, verdict=Verdict.REJECT), NOW) is None


def test_a_required_group_is_not_handed_over():
    facts = replace(FACTS, required_groups=frozenset({"leads", "others"}))
    assert "asks for leads: Dana is one of them" in refusal(facts, STANDING_IN, FOR_DANA, NOW)
    assert refusal(facts, STANDING_IN, APPROVE, NOW) is None
    assert refusal(facts, replace(STANDING_IN, groups=frozenset({"leads"})), FOR_DANA, NOW) is None
    assert refusal(facts, STANDING_IN, replace(FOR_DANA, verdict=Verdict.REJECT), NOW) is None


@pytest.mark.parametrize("field", ["reviewers", "voices"])
def test_each_voice_counts_once(field):
    used = replace(FACTS, **{field: frozenset({7})})
    assert isinstance(refusal(used, STANDING_IN, FOR_DANA, NOW), Stale)
    assert refusal(used, STANDING_IN, APPROVE, NOW) is None
    mine = replace(FACTS, **{field: frozenset({1})})
    assert isinstance(refusal(mine, STANDING_IN, APPROVE, NOW), Stale)
    assert isinstance(refusal(mine, STANDING_IN, FOR_DANA, NOW), Stale)


def test_a_tag_on_ones_own_address_makes_nobody_another_person():
    facts = replace(FACTS, people={"submitted_by": "alice@example.org"})
    assert "You submitted" in refusal(
        facts, replace(REVIEWER, email="alice+work@example.org", username="a"), APPROVE, NOW
    )


def test_a_former_address_is_still_theirs_but_names_nobody_on_a_gates_list():
    renamed = replace(REVIEWER, email="al@example.org", former=frozenset({"alice@example.org"}), username="al")
    facts = replace(FACTS, people={"submitted_by": "Alice@example.org"})
    assert "You submitted" in refusal(facts, renamed, APPROVE, NOW)
    listed = replace(FACTS, allowed=frozenset({"alice@example.org"}))
    assert "Only the people this gate names" in refusal(listed, renamed, APPROVE, NOW)


def test_an_address_on_a_gates_list_names_whose_it_is_and_nobody_who_is_called_so():
    listed = replace(FACTS, allowed=frozenset({"alice@example.org"}))
    called_so = replace(REVIEWER, email="mallory@example.org", username="Alice@example.org")
    assert "Only the people this gate names" in refusal(listed, called_so, APPROVE, NOW)
    assert refusal(listed, replace(called_so, addresses=frozenset({"alice@example.org"})), APPROVE, NOW) is None
