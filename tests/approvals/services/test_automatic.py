"""Approval without a person: only under an enforced policy, only with every condition, never past the switch."""

import json
from dataclasses import replace

import pytest
from django.db import IntegrityError, transaction
from django.utils import timezone

from approvals.models import Channel, Decision, FeedEntry, Policy, Producer, Status, Verdict
from approvals.policy.sampling import drawn
from approvals.queries.intake_facts import intake_facts
from approvals.services import intake, killswitch, lifecycle, reviews
from approvals.services.dispatch import dispatch
from audit.models import Entry
from tests.cast import DIFF, EVIDENCE, SYSTEM, UNSURE, Api, actor_for, document, one_person_enough, republish, trust

pytestmark = pytest.mark.django_db

BAD = "The model went bad."


@pytest.fixture
def trusted(producer):
    trust(producer)
    return Producer.objects.get()


@pytest.fixture
def enforce(db):
    """Return a function that enforces automatic approval in the policy that covers low severity."""

    def make(**terms):
        return republish(Policy.objects.get(name="low"), **({"auto_approval": "enforce"} | terms))

    return make


def test_an_enforced_policy_approves_what_meets_every_condition(enforce, trusted, make_patch):
    version = enforce()
    decision = Decision.objects.get(pk=make_patch(by=trusted, **EVIDENCE).pk)
    assert (decision.status, decision.decided_by_kind, decision.channel) == ("auto_approved", "policy", "intake")
    assert decision.decided_by == "low v2"
    assert "low v2" in decision.cause
    entries = Entry.objects.filter(object_id=str(decision.decision_id)).order_by("id")
    assert [(entry.type, entry.object_n) for entry in entries] == [
        ("patch.submitted", 1),
        ("decision.auto_approved", 2),
    ]
    said = json.loads(bytes(entries[1].body))
    assert said["actor"]["kind"] == "policy"
    assert said["policy"]["sha256"] == version.sha256
    assert {row["outcome"] for row in said["data"]["trace"]} == {"pass"}


def test_the_producer_and_the_deployer_hear_of_it(enforce, trusted, token_for):
    enforce()
    api = Api(token_for("producer"))
    answer = api.post("/hitl/patches", document(**EVIDENCE)).json()
    assert answer["status"] == "auto_approved"
    dispatch()
    assert FeedEntry.objects.get().status == "auto_approved"
    assert api.get(f"/hitl/decisions/{answer['decision_id']}").json()["status"] == "auto_approved"


@pytest.mark.parametrize(
    "weaker",
    [
        {"ml_prediction": None},
        {"ml_prediction": {"confidence": 0.94, "prediction": True}},
        {"wargaming_result": None},
        {"severity": "unknown"},
        {"risk_level": "high"},
        {"kev": True},
        {"requires_manual_review": True},
        {"vulnerable_locations": [{"file": "other.py"}]},
    ],
)
def test_one_condition_that_is_missing_sends_it_to_a_person(enforce, trusted, make_patch, weaker):
    enforce(match="true")
    with one_person_enough():
        Policy.objects.filter(name="low").update(position=1)
    decision = make_patch(by=trusted, **(EVIDENCE | weaker))
    assert decision.status == Status.PENDING
    assert [row for row in decision.trace if row["outcome"] != "pass"]


@pytest.mark.parametrize("said", ["reject", "request_changes", "revoked"])
def test_what_people_refused_before_is_not_approved_when_it_is_sent_again(
    enforce, trusted, make_patch, approve, lena, said
):
    first = make_patch(by=trusted, patch_id="P", **UNSURE)
    approve(first, lena, Verdict.APPROVE if said == "revoked" else Verdict(said))
    if said == "revoked":
        lifecycle.revoke(first.decision_id, "No.", user=lena, actor=actor_for(lena), now=timezone.now())
    enforce()
    wider = DIFF.replace("query = 'select", "query  = 'select")
    for name, changes in (("P", {}), ("P", {"diff": DIFF.replace("%s", "?")}), ("Q", {}), ("R", {"diff": wider})):
        again = Decision.objects.get(pk=make_patch(by=trusted, patch_id=name, **EVIDENCE | changes).pk)
        assert again.status == Status.PENDING, (name, changes)
        assert again.trace[-2] == {"text": "Nobody refused this change before", "value": "refused", "outcome": "fail"}
    other = {"diff": DIFF.replace("name", "word")}
    assert Decision.objects.get(pk=make_patch(by=trusted, **EVIDENCE | other).pk).status == Status.AUTO_APPROVED


@pytest.mark.parametrize(("by_lead", "status"), [(True, Status.PENDING), (False, Status.AUTO_APPROVED)])
def test_what_a_lead_cancelled_is_not_approved_when_it_is_sent_again(
    enforce, trusted, make_patch, lena, by_lead, status
):
    first = make_patch(by=trusted, patch_id="P", **UNSURE)
    who = {"user": lena, "actor": actor_for(lena)} if by_lead else {"producer": trusted, "actor": SYSTEM}
    lifecycle.cancel(first.decision_id, "Not this one.", now=timezone.now(), channel=Channel.API, **who)
    enforce()
    for name in ("P", "Q"):
        assert Decision.objects.get(pk=make_patch(by=trusted, patch_id=name, **EVIDENCE).pk).status == status, name


def test_a_refusal_that_did_not_end_it_counts_until_it_is_taken_back(enforce, trusted, make_patch, approve, lena):
    republish(Policy.objects.get(name="low"), deny_threshold=2)
    first = make_patch(by=trusted, patch_id="P", **UNSURE)
    assert approve(first, lena, Verdict.REJECT).status == Status.PENDING
    enforce()
    second = Decision.objects.get(pk=make_patch(by=trusted, patch_id="P", **EVIDENCE).pk)
    assert second.status == Status.PENDING
    again = make_patch(by=trusted, patch_id="S", **UNSURE | {"diff": DIFF.replace("name", "word")})
    approve(again, lena, Verdict.REJECT)
    reviews.withdraw(again.decision_id, "A slip.", user=lena, actor=actor_for(lena), now=timezone.now())
    sent = EVIDENCE | {"diff": DIFF.replace("name", "word")}
    assert Decision.objects.get(pk=make_patch(by=trusted, patch_id="S", **sent).pk).status == Status.AUTO_APPROVED


def test_an_untrusted_producer_is_never_believed(enforce, producer, make_patch):
    enforce()
    assert make_patch(**EVIDENCE).status == Status.PENDING


def test_the_switch_sends_everything_to_people_at_once(enforce, trusted, make_patch, lena):
    enforce()
    killswitch.turn(True, BAD, user=lena, actor=actor_for(lena), now=timezone.now())
    decision = make_patch(by=trusted, **EVIDENCE)
    assert decision.status == Status.PENDING
    switch = {"text": "Automatic approval is switched on", "value": "stopped by Lena", "outcome": "fail"}
    assert switch in decision.trace


def test_a_switch_thrown_after_the_trace_was_made_still_stops_it(enforce, trusted, make_patch, monkeypatch, lena):
    enforce()
    killswitch.turn(True, BAD, user=lena, actor=actor_for(lena), now=timezone.now())
    monkeypatch.setattr(intake, "intake_facts", lambda *asked: replace(intake_facts(*asked), stopped_by=""))
    assert make_patch(by=trusted, **EVIDENCE).status == Status.PENDING


def test_the_database_refuses_it_while_the_switch_is_off_or_the_policy_only_watches(make_patch, lena):
    decision = make_patch(severity="low")
    end = {
        "status": "auto_approved",
        "decided_by_kind": "policy",
        "decided_by": "x",
        "decided_at": timezone.now(),
        "channel": "intake",
        "cause": "x",
    }
    with pytest.raises(IntegrityError, match="approves nothing without a person"), transaction.atomic():
        Decision.objects.filter(pk=decision.pk).update(**end)
    killswitch.turn(True, BAD, user=lena, actor=actor_for(lena), now=timezone.now())
    with pytest.raises(IntegrityError, match="stopped"), transaction.atomic():
        Decision.objects.filter(pk=decision.pk).update(**end)


def test_a_share_is_drawn_for_people(enforce, trusted, make_patch):
    enforce(spot_check_percent=50)
    statuses = {}
    for number in range(12):
        made = make_patch(by=trusted, diff=DIFF.replace("%s", f"%s{number}"), **EVIDENCE)
        statuses[made.patch.sha256] = made.status
    wanted = {sha256: Status.PENDING if drawn(sha256, 50) else Status.AUTO_APPROVED for sha256 in statuses}
    assert statuses == wanted
    assert len(set(statuses.values())) == 2


def test_shadow_mode_still_only_watches(trusted, make_patch):
    decision = make_patch(by=trusted, **EVIDENCE)
    assert (decision.status, decision.would_auto_approve) == (Status.PENDING, True)
