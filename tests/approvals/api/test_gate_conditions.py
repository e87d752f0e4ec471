"""A gate's own conditions approve it where an enforced policy says so, and nowhere else."""

from typing import Any

import pytest
from django.db import DatabaseError, transaction
from django.utils import timezone

from approvals.models import DeciderKind, Decision, Policy, Priority, Status
from approvals.policy.loosening import loosens
from approvals.services import killswitch
from approvals.services.dispatch import dispatch
from audit.models import Entry
from tests.cast import Api, actor_for, gate_request, republish

PATH = "/api/approvals"
DEV = [
    {"field": "config.env", "operator": "eq", "value": "dev"},
    {"field": "tests.failed", "operator": "lessThanOrEquals", "value": 0},
]
CONTEXT = {"config": {"env": "dev"}, "tests": {"failed": 0}}

pytestmark = pytest.mark.django_db


def publish(**terms: Any) -> None:
    for policy in Policy.objects.all():
        republish(policy, **terms)


@pytest.fixture
def allowed() -> None:
    """Let every policy approve gates by their own conditions."""
    publish(auto_approval="enforce", gate_conditions=True)


@pytest.fixture
def api(token_for) -> Api:
    return Api(token_for())


def ask(api: Api, status: int = 201, **changes: Any) -> Any:
    answer = api.post(PATH, gate_request(**{"auto_approve_conditions": DEV, "context": CONTEXT, **changes}))
    assert answer.status_code == status, answer.content
    return answer.json()


def outcomes(gate: Any) -> dict[str, str]:
    return {row["text"]: row["outcome"] for row in gate["trace"]}


@pytest.mark.usefixtures("allowed")
def test_a_gate_whose_conditions_all_hold_is_approved_at_once(api, token_for):
    gate = ask(api)
    assert (gate["status"], gate["decision"], gate["notes"]) == ("auto_approved", "approved", [])
    assert set(outcomes(gate).values()) == {"pass"}
    assert gate["decided_by"] == "medium v2"
    assert ask(api, 200)["id"] == gate["id"]
    assert api.get(f"{PATH}/{gate['id']}").json()["status"] == "auto_approved"
    assert Entry.objects.get(type="decision.auto_approved").object_id == gate["id"]
    assert api.get(f"{PATH}/stats").json()["auto_approved"] == 1
    [past] = api.get(f"{PATH}/history", status="auto_approved").json()["approvals"]
    assert past["id"] == gate["id"]
    dispatch()
    feed = Api(token_for("deployer", "deployer")).get("/hitl/decisions").json()
    assert [item["status"] for item in feed] == ["auto_approved"]


@pytest.mark.usefixtures("allowed")
@pytest.mark.parametrize(
    ("context", "value", "outcome"),
    [
        ({**CONTEXT, "tests": {"failed": 1}}, "does not hold", "fail"),
        ({**CONTEXT, "tests": {"failed": "0"}}, "does not hold", "fail"),
        ({**CONTEXT, "tests": {}}, "not sent", "absent"),
        ({}, "not sent", "absent"),
    ],
)
def test_one_condition_that_does_not_hold_leaves_it_to_people(api, context, value, outcome):
    gate = ask(api, context=context)
    assert gate["status"] == "pending"
    row = next(row for row in gate["trace"] if row["text"].startswith("Condition 2 of"))
    assert (row["value"], row["outcome"]) == (value, outcome)
    assert any("Nothing stands at tests.failed" in note for note in gate["notes"]) is (outcome == "absent")


@pytest.mark.parametrize(
    ("terms", "unmet"),
    [
        ({"auto_approval": "enforce"}, "The policy lets a gate's own conditions approve it"),
        ({"auto_approval": "shadow", "gate_conditions": True}, "The policy is enforced"),
        ({"auto_approval": "off", "gate_conditions": True}, "The policy is enforced"),
        (
            {"auto_approval": "enforce", "gate_conditions": True, "spot_check_percent": 100},
            "Not drawn for a spot check",
        ),
    ],
)
def test_a_policy_that_does_not_say_so_in_every_word_approves_no_gate(api, terms, unmet):
    publish(**terms)
    gate = ask(api)
    assert gate["status"] == "pending"
    assert [text for text, outcome in outcomes(gate).items() if outcome != "pass"] == [unmet]
    assert Decision.objects.get().would_auto_approve is (terms["auto_approval"] == "shadow")


@pytest.mark.usefixtures("allowed")
def test_a_gate_without_conditions_waits_whatever_the_policy_says(api):
    assert ask(api, auto_approve_conditions=[])["status"] == "pending"


@pytest.mark.parametrize(
    ("operator", "value", "words"),
    [("matches", "x", "no operator matches"), ("gt", "9", "compares numbers"), ("equals", None, "needs a value")],
)
def test_a_condition_that_could_never_hold_is_422(api, operator, value, words):
    sent = {"field": "config.env", "operator": operator, "value": value}
    [error] = ask(api, 422, auto_approve_conditions=[sent])["errors"]
    assert error["loc"] == ["body", "auto_approve_conditions", 0]
    assert words in error["msg"]


@pytest.mark.usefixtures("allowed")
def test_the_kill_switch_stops_gates_too(api, lena):
    killswitch.turn(True, "Stop.", user=lena, actor=actor_for(lena), now=timezone.now())
    gate = ask(api)
    assert (gate["status"], outcomes(gate)["Automatic approval is switched on"]) == ("pending", "fail")


@pytest.mark.usefixtures("allowed")
def test_the_trace_repeats_nothing_of_the_request(api, token_for):
    gate = ask(api, context={**CONTEXT, "config": {"env": "prod"}})
    other = Api(token_for("deployer", "other", scopes=["decisions:read"])).get(f"{PATH}/{gate['id']}").json()
    assert other["request"] is None
    assert not any(word in str(other["trace"]) for word in ("config", "prod", "dev"))


def test_the_database_refuses_a_gate_approved_by_time_or_by_a_policy_that_does_not_say_so(api):
    gate = ask(api)
    ended = {
        "status": Status.AUTO_APPROVED,
        "decided_by_kind": DeciderKind.POLICY,
        "decided_by": "default",
        "decided_at": timezone.now(),
        "cause": "Every condition holds",
    }
    default = Policy.objects.get(is_default=True)
    enforced = republish(default, auto_approval="enforce")
    by_time = republish(
        default, auto_approval="enforce", gate_conditions=True, expire_after_seconds=600, expire_action="escalate"
    )
    for version, channel in ((enforced, "intake"), (by_time, "timer")):
        with pytest.raises(DatabaseError), transaction.atomic():
            Decision.objects.filter(decision_id=gate["id"]).update(
                **ended, policy_version=version, channel=channel, priority=Priority.CRITICAL
            )
    assert Decision.objects.get().status == Status.PENDING


def test_letting_gates_approve_themselves_needs_a_second_person():
    place = {"name": "gates", "position": 1, "enabled": True}
    terms = {
        "match": "kind == 'gate'", "required_approvals": 1, "required_groups": [], "decider_groups": [],
        "deny_threshold": 1, "step_up": False, "auto_approve_threshold": "0.95", "spot_check_percent": 0,
        "location_slack": 25, "allowed_marks": [], "expire_action": "expire", "auto_approval": "enforce",
    }  # fmt: skip
    closed, opened = terms | {"gate_conditions": False}, terms | {"gate_conditions": True}
    assert loosens(closed, opened, place, place) == [
        "Workflow gates whose own conditions hold are approved without a person."
    ]
    assert loosens(opened, closed, place, place) == []
    shadow = closed | {"auto_approval": "shadow"}
    assert loosens(shadow, shadow | {"gate_conditions": True}, place, place) == []
    assert len(loosens(shadow | {"gate_conditions": True}, opened, place, place)) == 2
