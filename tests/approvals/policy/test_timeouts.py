"""Reminders, levels and the end of the time as pure rules."""

from datetime import UTC, datetime, timedelta

import pytest

from approvals.models import NO_DEADLINE, Priority
from approvals.policy.evaluate import AT_LEAST, SAME_CHANGE, SWITCHED_ON
from approvals.policy.timeouts import next_step, no_approval_by_time, reminder_times

BEGIN = datetime(2026, 11, 1, tzinfo=UTC)
CHAIN = [
    {"after_seconds": 60, "groups": ["platform"], "unopened": True},
    {"after_seconds": 120, "groups": [], "people": ["dana"]},
]
HELD = {"text": SAME_CHANGE, "outcome": "pass"}
LOW = {
    "sent": "low",
    "effective": "low",
    "known_exploited": False,
    "manual_review": False,
    "enabled": True,
    "objected": False,
    "trusted": True,
    "priority": Priority.LOW,
    "enforced": True,
    "others": 0,
    "trace": [HELD, {"text": f"{AT_LEAST} 0.95", "outcome": "fail"}, {"text": SWITCHED_ON, "outcome": "fail"}],
}


def test_reminders_are_shares_of_the_time():
    assert reminder_times(BEGIN, BEGIN + timedelta(hours=10), [50, 95]) == [
        BEGIN + timedelta(hours=5),
        BEGIN + timedelta(hours=9.5),
    ]
    assert reminder_times(BEGIN, NO_DEADLINE, [50]) == []


def step(**changes):
    return next_step(CHAIN, **{"level": 1, "next_level": 0, "at": BEGIN, "opened": False, "timed": True, **changes})


def test_level_1_asks_the_leads_and_starts_the_clock_of_the_next():
    assert step(level=0) == (["security-leads"], 0, BEGIN + timedelta(seconds=60))


def test_the_levels_follow_in_turn():
    assert step() == (["platform"], 1, BEGIN + timedelta(seconds=120))
    assert step(level=2, next_level=1) == (["dana"], 2, NO_DEADLINE)


def test_a_level_for_the_unopened_asks_nobody_once_it_was_opened():
    assert step(opened=True) == ([], 1, BEGIN + timedelta(seconds=120))
    assert step(next_level=1, opened=True).asked == ["dana"]


def test_after_the_last_level_the_leads_are_asked_again():
    assert step(level=3, next_level=2) == (["security-leads"], 2, NO_DEADLINE)


def test_without_clocks_nothing_more_is_due_by_itself():
    assert step(level=0, timed=False).next_at == NO_DEADLINE


def test_what_is_low_in_every_respect_is_approved():
    assert no_approval_by_time("approve", **LOW) is None


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"sent": "medium"}, "its severity is medium"),
        ({"effective": "high"}, "its severity is high"),
        ({"effective": "unknown"}, "its severity is unknown"),
        ({"known_exploited": True}, "known to be exploited"),
        ({"manual_review": True}, "a manual review was asked for"),
        ({"enabled": False}, "switched off"),
        ({"objected": True}, "somebody refused it"),
        ({"trusted": False}, "its producer is not trusted any more"),
        ({"enforced": False}, "does not approve automatically"),
        ({"priority": Priority.MEDIUM}, "its priority is medium"),
        ({"others": 1}, "another candidate waits"),
        ({"trace": []}, SAME_CHANGE),
        ({"trace": [{"text": f"{AT_LEAST} 0.95", "outcome": "absent"}, HELD]}, AT_LEAST),
        ({"trace": [HELD, {"text": "No mark asks for a look", "outcome": "fail"}]}, "No mark asks for a look"),
    ],
)
def test_anything_else_is_not(change, words):
    assert words in (no_approval_by_time("approve", **{**LOW, **change}) or "")


@pytest.mark.parametrize("action", ["expire", "escalate", "nonsense"])
def test_no_policy_no_approval(action):
    assert no_approval_by_time(action, **LOW)
