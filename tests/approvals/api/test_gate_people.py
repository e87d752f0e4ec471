"""Gates that nobody could ever decide are refused when they come."""

import pytest

from approvals.models import Decision, Policy
from tests.approvals.api.test_workflow_gates import PATH, wrong
from tests.cast import gate_request, republish

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize(
    ("gate", "why"),
    [
        ({"allowed_approvers": ["carol"]}, "carol may not decide"),
        ({"allowed_approvers": ["alice", "carol"], "require_min_approvers": 2}, "1 of those named can approve"),
        ({"allowed_approvers": ["alice", "carol"], "require_all_approvers": True}, "carol may not decide"),
        ({"allowed_approvers": ["alice"], "triggered_by": "alice@example.org"}, "alice started or submitted it"),
        ({"allowed_approvers": ["alice@example.org"], "submitted_by": "Alice"}, "started or submitted it"),
        ({"allowed_approvers": ["alice"], "triggered_by": "alice+ci@example.org"}, "alice started or submitted it"),
    ],
)
@pytest.mark.usefixtures("alice", "carol")
def test_a_gate_that_nobody_could_decide_is_422_and_says_why(producer_api, gate, why):
    [error] = wrong(producer_api, **gate)
    assert error["loc"] == ["body", "allowed_approvers"]
    assert error["msg"].startswith("Nobody could decide this gate:")
    assert why in error["msg"]
    assert not Decision.objects.exists()


@pytest.mark.usefixtures("alice", "bob", "carol")
def test_more_approvers_than_there_are_is_422(producer_api):
    assert producer_api.post(PATH, gate_request(require_min_approvers=2)).status_code == 201
    [error] = wrong_again(producer_api, require_min_approvers=3)
    assert (error["loc"], "2 of the people here can approve it" in error["msg"]) == (
        ["body", "require_min_approvers"],
        True,
    )
    [error] = wrong_again(producer_api, require_min_approvers=2, triggered_by="alice@example.org")
    assert "1 of the people here" in error["msg"]


def test_what_the_policy_asks_for_is_not_the_gates_fault(producer_api):
    """Reviewers may come later; a gate that asks for nothing more waits for them as patches do."""
    assert producer_api.post(PATH, gate_request()).status_code == 201


@pytest.mark.usefixtures("alice", "lena")
def test_those_named_must_reach_the_groups_that_the_policy_asks_for(producer_api):
    for policy in Policy.objects.all():
        republish(policy, required_groups=["security-leads"])
    [error] = wrong_again(producer_api, allowed_approvers=["alice"])
    assert "an approval from security-leads" in error["msg"]
    answer = producer_api.post(PATH, gate_request(allowed_approvers=["alice", "lena"]))
    assert answer.status_code == 201


@pytest.mark.usefixtures("alice", "lena")
def test_those_named_must_be_in_a_group_that_decides(producer_api):
    for policy in Policy.objects.all():
        republish(policy, decider_groups=["security-leads"])
    [error] = wrong_again(producer_api, allowed_approvers=["alice"])
    assert "alice may not decide" in error["msg"]
    assert producer_api.post(PATH, gate_request(allowed_approvers=["lena"])).status_code == 201


def wrong_again(api, **changes):
    answer = api.post(PATH, gate_request(execution_id="another", **changes))
    assert answer.status_code == 422, answer.content
    return answer.json()["errors"]
