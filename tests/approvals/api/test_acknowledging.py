"""Deployers say what they have acted on; leads see who has not."""

import pytest
from django.urls import reverse
from django.utils import timezone

from approvals.models import Acknowledgement, Verdict
from approvals.services import lifecycle
from approvals.services.dispatch import dispatch
from audit.models import Entry
from tests.cast import Api, actor_for
from tests.html import one_line

pytestmark = pytest.mark.django_db


@pytest.fixture
def approved(make_patch, approve, bob):
    """An approved patch whose approval is position 1 of the feed."""
    decision = approve(make_patch(), bob)
    dispatch()
    return decision


def acknowledge(api: Api, decision, position):
    return api.post(f"/hitl/decisions/{decision.decision_id}/acknowledge", {"position": position})


def test_a_deployer_says_once_what_it_acted_on(approved, deployer_api, sign_in, lena):
    for _ in range(2):
        answer = acknowledge(deployer_api, approved, 1)
        assert answer.status_code == 200
        assert answer.json() == {"decision_id": str(approved.decision_id), "status": "approved", "position": 1}
    assert Acknowledgement.objects.count() == Entry.objects.filter(type="decision.acknowledged").count() == 1
    [row] = deployer_api.get(f"/hitl/decisions/{approved.decision_id}").json()["acknowledgements"]
    assert (row["deployer"], row["position"], row["status"]) == ("argo", 1, "approved")
    page = one_line(sign_in(lena).get(reverse("patch-detail", args=[approved.decision_id])))
    assert "<strong>argo</strong> acted on position 1, approved" in page
    assert "acted on position 1 of the feed: approved" in page


def test_a_revoked_patch_names_who_has_not_acted_on_it(approved, deployer_api, token_for, sign_in, lena):
    token_for("deployer", "spinnaker")
    acknowledge(deployer_api, approved, 1)
    lifecycle.revoke(approved.decision_id, "It broke.", user=lena, actor=actor_for(lena), now=timezone.now())
    client, address = sign_in(lena), reverse("patch-detail", args=[approved.decision_id])
    assert "Not yet acted on the revocation: argo, spinnaker." in client.get(address).content.decode()
    dispatch()
    assert acknowledge(deployer_api, approved, 2).json()["status"] == "revoked"
    assert "Not yet acted on the revocation: spinnaker." in client.get(address).content.decode()


@pytest.mark.parametrize("position", [2, 10**15])
def test_a_position_of_something_else_is_refused(approved, deployer_api, position):
    answer = acknowledge(deployer_api, approved, position)
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["loc"] == ["body", "position"]
    assert Acknowledgement.objects.count() == 0


def test_only_deployers_acknowledge(approved, producer_api, api_of, lena, token_for):
    for api in (producer_api, api_of(lena), Api(token_for("auditor", "audit"))):
        assert acknowledge(api, approved, 1).status_code == 403
    assert acknowledge(Api(), approved, 1).status_code == 401
    assert Acknowledgement.objects.count() == 0


@pytest.mark.parametrize("body", [{}, {"position": 0}, {"position": "1"}, {"position": 1, "more": 2}])
def test_a_damaged_body_is_422(approved, deployer_api, body):
    assert deployer_api.post(f"/hitl/decisions/{approved.decision_id}/acknowledge", body).status_code == 422


def test_an_unknown_decision_is_404(deployer_api):
    assert deployer_api.post("/hitl/decisions/nothing/acknowledge", {"position": 1}).status_code == 404


def test_a_request_for_changes_carries_its_reason_to_the_producer(make_patch, approve, bob, producer_api):
    decision = approve(make_patch(), bob, Verdict.REQUEST_CHANGES, text="Escape the second call too.")
    record = producer_api.get(f"/hitl/decisions/{decision.decision_id}").json()
    assert (record["status"], record["reason"]) == ("changes_requested", "Escape the second call too.")
    [review] = record["reviews"]
    assert (review["reviewer"], review["verdict"], review["text"]) == ("bob", "request_changes", record["reason"])


def test_a_deployer_token_of_before_the_scope_reads_which_it_lacks_and_what_to_do(approved, token_for, token_row):
    secret = token_for("deployer", "argo", scopes=["decisions:read", "diffs:read"])  # all there were then
    answer = acknowledge(Api(secret), approved, 1)
    assert answer.status_code == 403
    assert answer.json()["detail"] == (
        "This needs the scope outcomes:report, which this token was not issued with. A token's scopes never change: "
        "ask an administrator for a new deployer token with that scope, and let this one be revoked."
    )
    assert token_row(secret).scopes == ["decisions:read", "diffs:read"]
    assert acknowledge(Api(token_for("deployer", "argo")), approved, 1).status_code == 200


def test_who_can_never_have_the_scope_reads_who_can(approved, producer_api, api_of, lena):
    said = acknowledge(producer_api, approved, 1).json()["detail"]
    assert said.endswith("which no producer token can have: ask an administrator for a token of kind deployer.")
    said = acknowledge(api_of(lena), approved, 1).json()["detail"]
    assert said == "This needs the scope outcomes:report, which the caller does not have."
