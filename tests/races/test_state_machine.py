"""People, timers, producers and revisions in any order: no end is left, nothing passes without its quorum, and the
audit log tells the same story."""

from datetime import timedelta
from functools import partial
from typing import Any

import pytest
from django.contrib.auth.models import Group
from django.db import connection, transaction
from django.utils import timezone
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule, run_state_machine_as_test

from approvals.api.intake import submission_of
from approvals.api.schemas import IntakeDocument
from approvals.errors import Refusal
from approvals.models import Channel, Decision, Displayed, Policy, Review, Status, User, Verdict
from approvals.services import intake, killswitch, lifecycle, policies, producers, reviews, timers
from approvals.services.dispatch import dispatch
from tests.cast import DIFF, EVIDENCE, SYSTEM, actor_for, document, one_person_enough, trust
from tests.races import ledger

NAMES = ("alice", "bob", "lena", "luis")
GROUPS = {"lena": "security-leads", "luis": "security-leads"}
LEADS_TERMS = {"required_approvals": 2, "required_groups": ["security-leads"]}
PATCHES = st.sampled_from(["P-1", "P-2", "P-3"])
WHO = st.sampled_from(NAMES)


def submit(submission: intake.Submission, **by: Any) -> None:
    """Take in a patch, whose page everybody opens at once."""
    taken = intake.submit(submission, **by)
    for user in User.objects.all():
        reviews.open_page(taken.decision.patch, user, by["now"])


class Gate(RuleBasedStateMachine):
    """One gate, whose clock only goes forward; every call may be refused, and a refusal changes no decision."""

    reached: set[str] = set()

    def __init__(self) -> None:
        super().__init__()
        self.all_or_nothing = transaction.atomic()
        self.all_or_nothing.__enter__()
        self.now = timezone.now()
        self.ends: dict[int, str] = {}
        self.people = {name: self._person(name) for name in NAMES}
        self.producer = producers.ensure_producer("patchgen", actor=SYSTEM, now=self.now)
        trust(self.producer, now=self.now)
        self._terms("medium", **LEADS_TERMS, expire_action="escalate")
        self._terms("low", auto_approval="enforce", expire_action="approve", deny_threshold=2)

    def teardown(self) -> None:
        transaction.set_rollback(True)
        self.all_or_nothing.__exit__(None, None, None)

    def _person(self, name: str) -> User:
        user = User.objects.create_user(name, f"{name}@example.org")
        user.groups.set(Group.objects.filter(name=GROUPS.get(name, "reviewer")))
        return user

    def _terms(self, name: str, **terms: Any) -> None:
        policy = Policy.objects.select_related("current").get(name=name)
        assert policy.current is not None
        wanted = policies.from_plain(policies.terms_of(policy.current) | terms)
        with one_person_enough():
            policies.publish(policy, wanted, actor=SYSTEM, now=self.now)

    def _some(self, number: int, *statuses: str) -> Decision | None:
        rows = Decision.objects.select_related("patch").order_by("id")
        found = list(rows.filter(status__in=statuses) if statuses else rows)
        return found[number % len(found)] if found else None

    def _try(self, act: Any) -> None:
        before = dict(Decision.objects.values_list("pk", "status"))
        try:
            act()
        except Refusal:
            assert dict(Decision.objects.values_list("pk", "status")) == before

    @rule(
        patch_id=PATCHES, severity=st.sampled_from(["low", "medium", "high"]), n=st.integers(0, 3), proved=st.booleans()
    )
    def push(self, patch_id: str, severity: str, n: int, proved: bool) -> None:
        more = EVIDENCE | {"severity": severity} if proved else {"severity": severity}
        sent = document(patch_id=patch_id, cve_id=f"CVE-2024-{patch_id[2:]}", diff=DIFF.replace("%s", f"%s{n}"), **more)
        submission = submission_of(IntakeDocument.model_validate(sent))
        self._try(partial(submit, submission, producer=self.producer, actor=SYSTEM, now=self.now))

    @rule(number=st.integers(0, 9), who=WHO)
    def approve(self, number: int, who: str) -> None:
        self._decide(self._some(number, Status.PENDING), who, Verdict.APPROVE)

    @rule(number=st.integers(0, 9), who=WHO, verdict=st.sampled_from([Verdict.REJECT, Verdict.REQUEST_CHANGES]))
    def refuse(self, number: int, who: str, verdict: Verdict) -> None:
        self._decide(self._some(number, Status.PENDING), who, verdict)

    @rule(number=st.integers(0, 9), who=WHO, verdict=st.sampled_from(list(Verdict)), stale=st.booleans())
    def decide_what_has_moved_on(self, number: int, who: str, verdict: Verdict, stale: bool) -> None:
        self._decide(self._some(number), who, verdict, "0" * 64 if stale else "")

    def _decide(self, decision: Decision | None, who: str, verdict: Verdict, sha256: str = "") -> None:
        if decision:
            user = self.people[who]
            digest = sha256 or decision.patch.sha256
            seen = reviews.Seen(digest, Displayed.PAGE, Channel.PAGE, authenticated_at=self.now)
            words = {} if verdict == Verdict.APPROVE else {"text": "It misses a call site.", "category": "incomplete"}
            act = partial(reviews.review, decision.decision_id, verdict, user=user, actor=actor_for(user), seen=seen)
            self._try(partial(act, now=self.now, **words))

    @rule(number=st.integers(0, 9), who=WHO)
    def withdraw(self, number: int, who: str) -> None:
        self._as(who, number, reviews.withdraw, "I misread it.")

    @rule(number=st.integers(0, 9), who=WHO)
    def cancel(self, number: int, who: str) -> None:
        self._as(who, number, lifecycle.cancel, "Not wanted.", channel=Channel.PAGE)

    @rule(number=st.integers(0, 9), who=WHO)
    def revoke(self, number: int, who: str) -> None:
        self._as(who, number, lifecycle.revoke, "It broke production.")

    @rule(number=st.integers(0, 9), who=WHO)
    def escalate(self, number: int, who: str) -> None:
        self._as(who, number, lifecycle.escalate, "Please look.")

    @rule(number=st.integers(0, 9), who=WHO, seconds=st.integers(60, 86_400))
    def extend(self, number: int, who: str, seconds: int) -> None:
        self._as(who, number, partial(_extended, seconds), "More time.")

    def _as(self, who: str, number: int, service: Any, words: str, **more: Any) -> None:
        if decision := self._some(number):
            user = self.people[who]
            self._try(
                partial(service, decision.decision_id, words, user=user, actor=actor_for(user), now=self.now, **more)
            )

    @rule(hours=st.sampled_from([0, 0, 1, 26, 24 * 8, 24 * 15]))
    def time_passes(self, hours: int) -> None:
        self.now += timedelta(hours=hours, seconds=1)
        timers.remind_due(self.now)
        timers.escalate_due(self.now)
        timers.expire_due(self.now)

    @precondition(lambda self: not killswitch.stopped_by())
    @rule()
    def stop_automatic_approval(self) -> None:
        lead = self.people["lena"]
        killswitch.turn(True, "The model went bad.", user=lead, actor=actor_for(lead), now=self.now)

    @invariant()
    def no_end_is_ever_left(self) -> None:
        for key, status in Decision.objects.values_list("pk", "status"):
            before = self.ends.get(key, Status.PENDING)
            revoked = before in {Status.APPROVED, Status.AUTO_APPROVED} and status == Status.REVOKED
            assert before in (Status.PENDING, status) or revoked, (before, status)
            self.ends[key] = status
            self.reached.add(status)

    @invariant()
    def nothing_is_approved_without_its_quorum_on_that_digest(self) -> None:
        for decision in Decision.objects.filter(status=Status.APPROVED).select_related("patch"):
            given = Review.objects.filter(decision=decision, verdict=Verdict.APPROVE, withdrawn_at=None)
            assert {review.patch_sha256 for review in given} == {decision.patch.sha256}
            people = {review.reviewer_id for review in given}
            assert len(people) >= decision.required_approvals
            for group in decision.required_groups:
                assert User.objects.filter(pk__in=people, groups__name=group).exists()

    @invariant()
    def the_audit_log_tells_the_same_story(self) -> None:
        while dispatch():
            pass
        with connection.cursor() as cursor:
            assert ledger.faults(cursor) == {}


def _extended(seconds: int, decision_id: Any, reason: str, **acting: Any) -> Decision:
    return lifecycle.extend(decision_id, seconds, reason, **acting)


@pytest.mark.slow
@pytest.mark.django_db
def test_any_order_of_people_timers_producers_and_revisions(settings_of_hypothesis: settings) -> None:
    Gate.reached = set()
    run_state_machine_as_test(Gate, settings=settings_of_hypothesis)
    wild = {Status.APPROVED, Status.AUTO_APPROVED, Status.REJECTED, Status.EXPIRED, Status.SUPERSEDED}
    assert Gate.reached >= wild, "the runs were too tame"


@pytest.fixture
def settings_of_hypothesis() -> settings:
    """Few long runs, the same each time; a failure prints its steps as they were: to shrink them takes minutes."""
    slow = [HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.filter_too_much]
    return settings(
        max_examples=20,
        stateful_step_count=40,
        deadline=None,
        derandomize=True,
        phases=[Phase.generate],
        suppress_health_check=slow,
    )
