"""What the clock does: reminders, levels of escalation, the end of the time; late, twice, and beside people."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from approvals.errors import Conflict, Invalid
from approvals.models import NO_DEADLINE, Decision, Patch, Policy, Producer, Status, Verdict
from approvals.policy.visible_fields import Reader
from approvals.services import kev, lifecycle, policies, reviews, timers
from approvals.views.evidence import timeline
from audit.models import Entry
from audit.queries import data_of
from tests.cast import DIFF, SYSTEM, UNSURE, actor_for, one_person_enough, trust

pytestmark = pytest.mark.django_db
NOW = timezone.now() - timedelta(days=20)
HOUR, DAY = timedelta(hours=1), timedelta(days=1)
CHAIN = [
    {"after_seconds": 1800, "groups": ["policy-admin"], "unopened": True},
    {"after_seconds": 3600, "people": ["bob"], "groups": ["auditor"]},
]


@pytest.fixture
def terms(bob):
    """Return a function that publishes terms of the policy of a priority."""

    def publish(name: str = "medium", **changes: object) -> None:
        policy = Policy.objects.get(name=name)
        assert policy.current is not None
        with one_person_enough():
            policies.publish(policy, policies.terms_of(policy.current) | changes, actor=SYSTEM, now=NOW)

    return publish


def again(decision: Decision) -> Decision:
    return Decision.objects.select_related("patch", "policy_version__policy").get(pk=decision.pk)


def said(decision: Decision, type: str) -> list[dict[str, Any]]:
    entries = Entry.objects.filter(object_id=str(decision.decision_id), type=type).order_by("id")
    return [data_of(entry) for entry in entries]


def run(step, now) -> int:
    """Run a timer as its job does and return how many rows it took."""
    taken = 0
    while count := step(now):
        taken += count
    return taken


# Reminders


def test_each_reminder_is_written_once_when_it_is_due(make_patch):
    decision = make_patch(now=NOW)  # medium: seven days
    assert again(decision).remind_at == NOW + 3.5 * DAY
    assert run(timers.remind_due, NOW + 3 * DAY) == 0
    assert run(timers.remind_due, NOW + 3.5 * DAY) == 1
    assert run(timers.remind_due, NOW + 3.5 * DAY) == 0
    assert run(timers.remind_due, NOW + 6 * DAY) == 1
    [first, second] = said(decision, "decision.reminded")
    assert (first["n"], first["of"], first["delay_seconds"]) == (1, 3, 0)
    assert (second["n"], second["delay_seconds"]) == (2, 0.4 * DAY.total_seconds())
    assert "reminded, 2 of 3" in [step.what for step in timeline(again(decision), Reader.LEAD)]


def test_a_worker_that_was_away_gives_every_late_reminder_once(make_patch):
    decision = make_patch(now=NOW)
    late = NOW + 6.9 * DAY
    assert run(timers.remind_due, late) == 3
    assert [each["n"] for each in said(decision, "decision.reminded")] == [1, 2, 3]
    assert (again(decision).reminders, again(decision).remind_at) == (3, NO_DEADLINE)


def test_nobody_is_reminded_of_what_is_over_or_has_no_time(make_patch):
    make_patch(now=NOW)
    make_patch(now=NOW, clocks=False)
    assert run(timers.remind_due, NOW + 8 * DAY) == 0


def test_a_clock_set_back_repeats_nothing(make_patch):
    decision = make_patch(now=NOW)
    run(timers.remind_due, NOW + 4 * DAY)
    run(timers.escalate_due, NOW + 4 * DAY)
    assert run(timers.remind_due, NOW + 4 * DAY - HOUR) == 0
    assert run(timers.escalate_due, NOW + 4 * DAY - HOUR) == 0
    assert again(decision).reminders == again(decision).escalation_level == 1


# Levels


def test_the_levels_are_asked_in_turn_and_the_page_says_whom(make_patch, terms, sign_in, alice, bob):
    terms(escalation=CHAIN)
    decision = make_patch(now=NOW)  # level 1 after a day
    assert run(timers.escalate_due, NOW + DAY) == 1
    assert again(decision).asked == ["security-leads"]
    assert run(timers.escalate_due, NOW + DAY + HOUR / 2) == 1
    assert run(timers.escalate_due, NOW + DAY + 1.5 * HOUR) == 1
    row = again(decision)
    assert (row.escalation_level, row.escalate_at) == (3, NO_DEADLINE)
    assert row.asked == ["security-leads", "policy-admin", "auditor", "bob"]
    assert [each["asked"] for each in said(decision, "decision.escalated")][1:] == [
        ["policy-admin"],
        ["auditor", "bob"],
    ]
    page = sign_in(alice).get(f"/patches/{decision.decision_id}").content.decode()
    assert "Asked: security-leads, policy-admin, auditor, bob" in page
    assert "escalated to level 3 and asked auditor, bob" in page


def test_a_level_for_the_unopened_is_passed_over_once_it_was_opened(make_patch, terms, alice):
    terms(escalation=CHAIN)
    decision = make_patch(now=NOW)
    run(timers.escalate_due, NOW + DAY)
    reviews.open_page(decision.patch, alice, NOW + DAY)
    run(timers.escalate_due, NOW + DAY + HOUR / 2)
    row = again(decision)
    assert (row.escalation_level, row.escalate_at) == (1, NOW + DAY + 1.5 * HOUR)
    assert len(said(decision, "decision.escalation_skipped")) == 1
    run(timers.escalate_due, NOW + DAY + 2 * HOUR)
    assert again(decision).asked == ["security-leads", "auditor", "bob"]


def test_a_worker_that_was_away_for_a_day_asks_every_level_once(make_patch, terms):
    terms(escalation=CHAIN[1:])
    decision = make_patch(now=NOW)
    assert run(timers.escalate_due, NOW + 2 * DAY) == 2
    delays = [each["delay_seconds"] for each in said(decision, "decision.escalated")]
    assert delays == [DAY.total_seconds(), (DAY - HOUR).total_seconds()]


def test_a_person_asks_the_next_level_before_its_time(make_patch, terms, alice):
    terms(escalation=CHAIN)
    decision = make_patch(now=NOW)
    for _ in range(2):
        lifecycle.escalate(decision.decision_id, "Look.", user=alice, actor=actor_for(alice), now=NOW + HOUR)
    row = again(decision)
    assert (row.escalation_level, row.asked) == (2, ["security-leads", "policy-admin"])
    assert row.escalate_at == NOW + 2 * HOUR


def test_a_new_revision_goes_on_in_the_chain(make_patch, terms):
    terms(escalation=CHAIN)
    make_patch(now=NOW, patch_id="P")
    run(timers.escalate_due, NOW + DAY)
    newer = again(make_patch(now=NOW + DAY, patch_id="P", diff=DIFF.replace("%s", "?")))
    assert (newer.escalation_level, newer.asked, newer.escalation_next) == (1, ["security-leads"], 0)
    assert newer.escalate_at == NOW + DAY + HOUR / 2


@pytest.mark.parametrize(
    ("changes", "field", "words"),
    [
        ({"escalation": [{"after_seconds": 5, "groups": ["nobody"]}]}, "escalation", "There is no group nobody."),
        (
            {"escalation": [{"after_seconds": 5, "people": ["zoe"]}]},
            "escalation",
            "no active person with the user name",
        ),
        ({"escalation": [{"after_seconds": 5}]}, "escalation", "Level 2: name at least one"),
        ({"reminder_percents": [90, 10]}, "reminder_percents", "in rising order"),
        ({"expire_action": "approve"}, "expire_action", "Only low severity"),
    ],
)
def test_terms_that_cannot_be_kept_are_refused_at_their_field(terms, changes, field, words):
    with pytest.raises(Invalid) as error:
        terms(**changes)
    assert words in error.value.detail
    assert [each["loc"] for each in error.value.errors or []] == [[field]]


# The end of the time


def test_escalating_at_the_end_gives_one_more_period_once(make_patch, terms):
    terms(expire_action="escalate", expire_after_seconds=3600)
    decision = make_patch(now=NOW)
    assert run(timers.expire_due, NOW + 2 * HOUR) == 1
    row = again(decision)
    assert (row.status, row.escalation_level, row.asked) == (Status.PENDING, 1, ["security-leads"])
    assert row.expire_at == NOW + 3 * HOUR  # one period from when somebody could decide again
    [entry] = said(decision, "decision.escalated")
    assert entry["delay_seconds"] == HOUR.total_seconds()
    assert run(timers.expire_due, NOW + 2 * HOUR) == 0
    assert run(timers.expire_due, NOW + 3 * HOUR) == 1
    assert again(decision).status == Status.EXPIRED


def test_sending_again_gives_no_second_period(make_patch, terms):
    terms(expire_action="escalate", expire_after_seconds=3600)
    make_patch(now=NOW, patch_id="P")
    run(timers.expire_due, NOW + HOUR)
    newer = make_patch(now=NOW + 1.5 * HOUR, patch_id="P", diff=DIFF.replace("%s", "?"))
    assert again(newer).expire_at == NOW + 2 * HOUR
    run(timers.expire_due, NOW + 2 * HOUR)
    assert again(newer).status == Status.EXPIRED


@pytest.fixture
def low(terms: Callable[..., None], make_patch: Callable[..., Decision], producer: Producer) -> Callable[..., Decision]:
    """Return a function that makes a low patch with good evidence, but for its confidence, under a policy that approves
    when the time ends."""
    trust(producer, now=NOW)

    def make(mode: str = "enforce", **changes: object) -> Decision:
        terms("low", expire_action="approve", auto_approval=mode)
        return make_patch(now=NOW, **UNSURE | changes)

    return make


def test_low_severity_is_approved_at_the_end_where_the_policy_says_so(low, sign_in, alice):
    decision = low()
    assert run(timers.expire_due, NOW + 7 * DAY) == 1
    row = again(decision)
    assert (row.status, row.decided_by_kind, row.channel) == ("auto_approved", "policy", "timer")
    assert row.cause == "The time ended and the policy approves low severity"
    assert row.decided_by == "low v2"
    assert (
        "approved automatically: The time ended" in sign_in(alice).get(f"/patches/{row.decision_id}").content.decode()
    )


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"mode": "shadow"}, "its policy does not approve automatically"),
        ({"ml_prediction": None}, "ML predicts success"),
        ({"wargaming_result": None}, "Wargaming passed in both phases"),
        ({"vulnerable_locations": []}, "Only declared locations are changed"),
        ({"priority": "high"}, "its priority is high"),
        ({"diff": DIFF.replace("@@ -", "@@  -")}, "Every common tool applies the same change"),
    ],
)
def test_time_approves_only_what_meets_every_condition_but_the_confidence(low, change, why):
    decision = low(**change)
    run(timers.expire_due, NOW + 30 * DAY)
    row = again(decision)
    assert row.status == Status.EXPIRED
    assert why in row.cause or row.expire_action == "expire"


def test_a_candidate_that_came_later_keeps_time_from_approving(low):
    decision = low(cve_id="CVE-2024-1")
    low(cve_id="CVE-2024-1")
    run(timers.expire_due, NOW + 7 * DAY)
    assert "another candidate waits" in again(decision).cause


def test_a_candidate_under_another_name_keeps_time_from_approving(low):
    decision = low(cve_id="ghsa-aaaa-bbbb-cccc", aliases=["CVE-2024-1"])
    low(cve_id="cve 2024–1")
    run(timers.expire_due, NOW + 7 * DAY)
    assert "another candidate waits" in again(decision).cause


def test_a_lone_candidate_is_no_other_one_however_its_name_is_written(low):
    decision = low(cve_id="cve-2024-1")
    run(timers.expire_due, NOW + 7 * DAY)
    assert again(decision).status == Status.AUTO_APPROVED


def test_a_manual_review_is_never_approved_by_time(low):
    decision = low(requires_manual_review=True)
    run(timers.expire_due, NOW + 7 * DAY)
    row = again(decision)
    assert row.status == Status.EXPIRED
    assert row.cause == "Nobody decided in time; not approved, because a manual review was asked for"


def test_the_kill_switch_holds_at_the_end_of_the_time(low, settings):
    settings.AUTO_APPROVE_ENABLED = False
    decision = low()
    run(timers.expire_due, NOW + 7 * DAY)
    assert "switched off" in again(decision).cause


def test_content_that_came_late_is_not_approved_at_the_end_of_the_time_before_it(low, make_patch):
    low(patch_id="P")
    late = again(make_patch(now=NOW + 6.9 * DAY, **UNSURE | {"patch_id": "P", "diff": DIFF.replace("%s", "?")}))
    assert late.expire_at == NOW + 7 * DAY, "sending again gives nobody more time"
    run(timers.expire_due, NOW + 7 * DAY)
    row = again(late)
    assert row.status == Status.EXPIRED, "nobody had the policy's time to object to this content"
    assert row.cause == f"{timers.IN_TIME}; not approved, because it is not as it was when its time began"
    fresh = again(make_patch(now=NOW + 8 * DAY, **UNSURE | {"patch_id": "P", "diff": DIFF.replace("%s", "?")}))
    run(timers.expire_due, NOW + 15 * DAY)
    assert again(fresh).status == Status.AUTO_APPROVED, "this one waited for as long as the policy says"


@pytest.mark.parametrize("said", ["reject", "request_changes", "revoked"])
def test_what_people_refused_meanwhile_in_another_patch_is_not_approved_by_time(low, approve, lena, said):
    refused, copy, wider = low(), low(), low(diff=DIFF.replace("query = 'select", "query  = 'select"))
    other = low(diff=DIFF.replace("name", "word"))
    approve(refused, lena, Verdict.APPROVE if said == "revoked" else Verdict(said), now=NOW + HOUR)
    if said == "revoked":
        lifecycle.revoke(refused.decision_id, "No.", user=lena, actor=actor_for(lena), now=NOW + 2 * HOUR)
    run(timers.expire_due, NOW + 7 * DAY)
    for row in (again(copy), again(wider)):
        assert row.status == Status.EXPIRED, "no machine overrules people"
        assert row.cause == f"{timers.IN_TIME}; not approved, because somebody refused it"
    assert again(other).status == Status.AUTO_APPROVED


@pytest.mark.parametrize("evidence", ["trusted_for_ml", "trusted_for_wargaming"])
def test_a_producer_that_is_not_trusted_any_more_gets_nothing_approved_by_time(low, producer, evidence):
    decision = low()
    Producer.objects.filter(pk=producer.pk).update(**{evidence: False})
    run(timers.expire_due, NOW + 7 * DAY)
    row = again(decision)
    assert (row.status, row.cause.endswith("its producer is not trusted any more")) == (Status.EXPIRED, True)


@pytest.mark.parametrize("column", ["effective_severity", "known_exploited"])
def test_what_turned_out_worse_is_not_approved_by_time(low, column):
    decision = low()
    Patch.objects.filter(pk=decision.patch_id).update(**{column: "high" if column == "effective_severity" else True})
    run(timers.expire_due, NOW + 7 * DAY)
    assert again(decision).status == Status.EXPIRED


def test_a_vulnerability_that_turned_out_worse_meanwhile_is_not_approved_by_time(low, make_patch, approve, alice):
    decision = low(cve_id="CVE-2024-1")
    other = make_patch(now=NOW, cve_id="CVE-2024-1", severity="high", diff=DIFF.replace("name", "word"))
    approve(other, alice, now=NOW + HOUR)
    run(timers.expire_due, NOW + 7 * DAY)
    row = again(decision)
    assert (row.status, row.cause.endswith("its severity is high")) == (Status.EXPIRED, True)


def test_a_raised_priority_takes_the_approval_by_time_away(low):
    decision = low(cve_id="CVE-2024-5555")
    document = {"vulnerabilities": [{"cveID": "CVE-2024-5555", "dateAdded": "2026-11-01"}]}
    kev.import_catalogue(document, actor=SYSTEM, now=NOW + HOUR)
    assert again(decision).expire_action == "expire"
    run(timers.expire_due, NOW + 20 * DAY)
    assert again(decision).status == Status.EXPIRED


def test_a_decision_made_under_words_the_policy_no_longer_has_expires(low):
    decision = low()
    Decision.objects.filter(pk=decision.pk).update(expire_action="expire")
    run(timers.expire_due, NOW + 7 * DAY)
    assert again(decision).status == Status.EXPIRED


def test_an_approval_after_the_end_is_refused_though_no_worker_came(low, approve, alice):
    decision = low()
    with pytest.raises(Conflict, match="The time to decide ended"):
        approve(decision, alice, now=NOW + 7 * DAY)
    assert approve(low(), alice, Verdict.REJECT, now=NOW + 6 * DAY).status == Status.REJECTED


def test_every_timer_takes_the_same_queries_for_one_and_for_many(make_patch, terms):
    terms(expire_action="escalate")
    counts = []
    for number in (1, 12):
        for _ in range(number):
            make_patch(now=NOW)
        for step, at in [(timers.remind_due, 4 * DAY), (timers.escalate_due, 4 * DAY), (timers.expire_due, 7 * DAY)]:
            with CaptureQueriesContext(
                connection,
            ) as queries:
                assert step(NOW + at) == number
            counts.append(len(queries))
        while timers.expire_due(NOW + 30 * DAY):
            pass
    assert counts[:3] == counts[3:]
    assert max(counts) <= 8
