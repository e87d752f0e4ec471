"""A retried request under the same key is answered as the first time and done once."""

import pytest
from django.test import Client
from django.utils import timezone

from approvals.api.caller import Bucket
from approvals.models import ApiToken, Decision, KeptAnswer, Review
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
    monkeypatch.setattr(idempotency, "settle", lambda kept, answer, now: None)  # as if it were still working
    producer_api.post("/hitl/patches", document(), **headers)
    answer = producer_api.post("/hitl/patches", document(), **headers)
    assert answer.status_code == 409
    assert "in flight" in answer.json()["detail"]
    assert answer["Retry-After"] == "1"  # a client tells it by that from a conflict that stays


def test_a_refused_caller_leaves_nothing_behind(token_for):
    answer = Api(token_for("deployer", "argo")).post("/hitl/patches", document(), **{"Idempotency-Key": "k1"})
    assert answer.status_code == 403
    assert not KeptAnswer.objects.exists()


KEY = {"Idempotency-Key": "k1"}


def test_a_revoked_token_gets_no_kept_answer(producer_api: Api):
    assert producer_api.post("/hitl/patches", document(), **KEY).status_code == 201
    ApiToken.objects.update(revoked_at=timezone.now())
    assert producer_api.post("/hitl/patches", document(), **KEY).status_code == 401


def test_a_kept_answer_needs_the_csrf_token_too(make_patch, alice):
    decision, client = make_patch(), Client(enforce_csrf_checks=True)
    client.force_login(alice)
    client.get("/")
    path, asked = f"/hitl/patches/{decision.patch.patch_id}/approve", {"content_type": "application/json"}
    proof = {"X-CSRFToken": client.cookies["csrftoken"].value}
    assert client.post(path, body_of(decision), headers=KEY | proof, **asked).status_code == 200
    assert client.post(path, body_of(decision), headers=KEY, **asked).status_code == 403
    assert client.post(path, body_of(decision), headers=KEY | proof, **asked).status_code == 200


@pytest.mark.parametrize("key", ["k1", "k" * 300])
def test_nobody_in_particular_leaves_nothing_behind(key):
    assert Api().post("/hitl/patches", document(), **{"Idempotency-Key": key}).status_code == 401
    assert not KeptAnswer.objects.exists()


def test_what_is_not_there_is_not_kept(producer_api: Api):
    assert producer_api.post("/hitl/nothing", document(), **KEY).status_code == 404
    assert not KeptAnswer.objects.exists()


def test_kept_answers_count_against_the_rate(producer_api: Api, monkeypatch):
    assert producer_api.post("/hitl/patches", document(), **KEY).status_code == 201
    monkeypatch.setattr("approvals.api.caller.BURST", 3)
    monkeypatch.setattr("approvals.api.caller.requests", Bucket(3))
    codes = [producer_api.post("/hitl/patches", document(), **KEY).status_code for _ in range(4)]
    assert codes == [201, 201, 201, 429]


def test_a_key_over_the_rate_writes_nothing_and_one_below_counts_once(producer_api: Api, monkeypatch):
    claimed, claim = [], idempotency.claim

    def noting(caller, path, key, *asked):
        claimed.append(key)
        return claim(caller, path, key, *asked)

    monkeypatch.setattr(idempotency, "claim", noting)
    monkeypatch.setattr("approvals.api.caller.requests", Bucket(2))
    bodies = [document(patch_id=f"P-{number}") for number in range(3)]
    answers = [
        producer_api.post("/hitl/patches", body, **{"Idempotency-Key": f"k{number}"})
        for number, body in enumerate(bodies)
    ]
    assert [answer.status_code for answer in answers] == [201, 201, 429]
    assert answers[2]["Retry-After"]
    assert claimed == ["k0", "k1"]


def test_guessing_the_body_of_a_key_counts_against_the_rate(producer_api: Api, monkeypatch):
    assert producer_api.post("/hitl/patches", document(), **KEY).status_code == 201
    monkeypatch.setattr("approvals.api.caller.requests", Bucket(2))
    codes = [producer_api.post("/hitl/patches", document(title=f"{n}"), **KEY).status_code for n in range(4)]
    assert codes == [422, 422, 429, 429]
