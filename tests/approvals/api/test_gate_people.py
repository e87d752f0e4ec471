"""Gates that nobody could ever decide are refused when they come."""

import pytest

from approvals.models import Decision
from tests.approvals.api.test_workflow_gates import wrong

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize(
    ("gate", "why"),
    [
        ({"allowed_approvers": ["carol"]}, "carol may not review"),
        ({"allowed_approvers": ["alice", "carol"], "require_min_approvers": 2}, "1 of those named can approve"),
        ({"allowed_approvers": ["alice", "carol"], "require_all_approvers": True}, "carol may not review"),
        ({"allowed_approvers": ["alice"], "triggered_by": "alice@example.org"}, "alice started or submitted it"),
        ({"allowed_approvers": ["alice@example.org"], "submitted_by": "Alice"}, "started or submitted it"),
    ],
)
@pytest.mark.usefixtures("alice", "carol")
def test_a_gate_that_nobody_could_decide_is_422_and_says_why(producer_api, gate, why):
    [error] = wrong(producer_api, **gate)
    assert error["loc"] == ["body", "allowed_approvers"]
    assert error["msg"].startswith("Nobody could decide this gate:")
    assert why in error["msg"]
    assert not Decision.objects.exists()
