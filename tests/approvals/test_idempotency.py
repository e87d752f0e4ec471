"""A retried request under the same key is answered as the first time and done once."""

import pytest

from approvals.models import Decision, KeptAnswer, Review
from approvals.services import idempotency
from tests.cast import Api, document

pytestmark = pytest.mark.django_db


def body_of(decision):
    return {"decision_id": str(decision.decision_id), "patch_sha256": decision.patch.sha256}


def test_a_retried_approval_gets_the_first_answer(make_patch, alice, api_of):
    decision, api = make_patch(), api_of(alice)
    path = f"/hitl/patches/{decision.patch.patch_id}/approve"
    headers = {"Idempotency-Key": "k1"}
    first, again = (api.post(path, body_of(decision), **headers) for _ in range(2))
    assert (first.status_code, again.status_code) == (200, 200)
    assert again.content == first.content
    assert again["Idempotent-Replayed"] == "true"
    assert Review.objects.count() == 1
    assert api.post(path, body_of(decision)).status_code == 409  # without the key it is a second attempt


def test_a_key_with_another_body_is_refused(producer_api: Api):
    headers = {"Idempotency-Key": "k1"}
    assert producer_api.post("/hitl/patches", document(), **headers).status_code == 201
    answer = producer_api.post("/hitl/patches", document(title="Other"), **headers)
    assert answer.status_code == 422
    assert "another body" in answer.json()["detail"]


def test_a_replayed_intake_keeps_its_201_and_location(producer_api: Api):
    headers = {"Idempotency-Key": "k1"}
    first = producer_api.post("/hitl/patches", document(), **headers)
    again = producer_api.post("/hitl/patches", document(), **headers)
    assert (again.status_code, again["Location"]) == (201, first["Location"])
    assert Decision.objects.count() == 1


def test_another_caller_does_not_get_the_answer(producer_api: Api, token_for):
    headers = {"Idempotency-Key": "k1"}
    producer_api.post("/hitl/patches", document(), **headers)
    other = Api(token_for("producer", "othergen"))
    answer = other.post("/hitl/patches", document(), **headers)
    assert answer.status_code == 201
    assert Decision.objects.count() == 2


def test_a_request_in_flight_is_a_conflict(producer_api: Api, monkeypatch):
    headers = {"Idempotency-Key": "k1"}
    monkeypatch.setattr(idempotency, "settle", lambda kept, response: None)  # as if it were still working
    producer_api.post("/hitl/patches", document(), **headers)
    answer = producer_api.post("/hitl/patches", document(), **headers)
    assert answer.status_code == 409
    assert "in flight" in answer.json()["detail"]


def test_a_refused_caller_leaves_nothing_behind(token_for):
    answer = Api(token_for("deployer", "argo")).post("/hitl/patches", document(), **{"Idempotency-Key": "k1"})
    assert answer.status_code == 403
    assert not KeptAnswer.objects.exists()
