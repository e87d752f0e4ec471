"""Two workers at once, and a person's answer at the moment the timer acts: each late thing happens once."""

from collections import Counter
from datetime import timedelta
from functools import partial

import pytest
from django.utils import timezone

from approvals.models import Decision, Policy, Status
from approvals.services import policies, timers
from audit.models import Entry
from tests.cast import DIFF, SYSTEM, UNSURE, one_person_enough, trust

from .crowd import Told, assert_settled, member
from .together import after, at_once

pytestmark = pytest.mark.django_db(transaction=True)
SIZE = 40


def publish(name: str, **changes: object) -> None:
    policy = Policy.objects.get(name=name)
    assert policy.current is not None
    with one_person_enough():
        policies.publish(policy, policies.terms_of(policy.current) | changes, actor=SYSTEM, now=timezone.now())


def drained(step, now) -> int:
    taken = 0
    while count := step(now, 7):
        taken += count
    return taken


def test_three_workers_do_every_late_thing_once(make_patch):
    publish("medium", escalation=[{"after_seconds": 3600, "groups": ["auditor"]}], expire_action="escalate")
    start = timezone.now() - timedelta(days=6.9)
    made = [make_patch(now=start) for _ in range(SIZE)]
    now = timezone.now()
    assert sum(at_once(*[partial(drained, timers.remind_due, now)] * 3)) == 3 * SIZE
    assert sum(at_once(*[partial(drained, timers.escalate_due, now)] * 3)) == 2 * SIZE
    assert sum(at_once(*[partial(drained, timers.expire_due, now + timedelta(hours=3))] * 3)) == SIZE
    written = Counter(Entry.objects.filter(object_id=str(made[0].decision_id)).values_list("type", flat=True))
    assert written == {"patch.submitted": 1, "decision.reminded": 3, "decision.escalated": 3}
    assert set(Decision.objects.values_list("escalation_level", "reminders", "status")) == {(3, 1, "pending")}
    assert_settled()


def test_an_answer_and_the_end_of_the_time_have_one_outcome(make_patch, producer):
    """The person's clock is a moment before the end, the timer's at it: whoever has the row first decides."""
    trust(producer)
    publish("low", expire_action="approve", auto_approval="enforce")
    alice, outcomes = member("alice", "reviewer"), Counter[str]()
    for number in range(15):
        decision = make_patch(**UNSURE | {"diff": DIFF.replace("name", f"name{number}")})  # no copy of a refused one
        reject = partial(alice.by_api, decision, "reject")
        timer = partial(_told, decision)
        told, _ = at_once(after(0.004 * (number % 4), reject), after(0.02 * (number % 2), timer))
        row = Decision.objects.get(pk=decision.pk)
        assert row.status in {Status.REJECTED, Status.AUTO_APPROVED}
        assert (told.code == 200) == (row.status == Status.REJECTED), told
        outcomes[row.status] += 1
        timers.expire_due(decision.expire_at)  # a worker that skipped the row comes again and finds nothing to do
        assert Decision.objects.get(pk=decision.pk).status == row.status
        assert_settled()
    assert sum(outcomes.values()) == 15


def _told(decision: Decision) -> Told:
    return Told(timers.expire_due(decision.expire_at), "", "")
