"""A producer's own name for a decision: unique among its own, and told apart where others use it too."""

import json
from typing import Any
from uuid import UUID

import pytest
from django.db import IntegrityError, connection, transaction
from django.urls import reverse

from approvals.models import Decision
from tests.cast import Api, document

pytestmark = pytest.mark.django_db

ALIAS = "0d2c5f5e-1f5a-4d2f-9a3e-8a4f1f0b7c11"  # those of the reference API look like our ids


@pytest.fixture
def other_api(token_for) -> Api:
    return Api(token_for("producer", "othergen"))


def push(api: Api, patch_id: str, **changes: Any) -> str:
    answer = api.post("/hitl/patches", document(patch_id=patch_id, decision_id=ALIAS, severity="low", **changes))
    assert answer.status_code == 201, answer.content
    return str(answer.json()["decision_id"])


@pytest.fixture
def two(producer_api, other_api) -> list[str]:
    """Return our ids of two producers' decisions of one alias."""
    return [push(producer_api, "P-1"), push(other_api, "P-2")]


def assert_ambiguous(answer, two) -> None:
    body = answer.json()
    assert (answer.status_code, answer["Content-Type"]) == (409, "application/problem+json"), body
    assert sorted(body["decision_ids"]) == sorted(two)
    for part in (*two, "patchgen", "othergen", "2 producers use this decision_id"):
        assert part in body["detail"]
    assert "current" not in body


def test_each_producer_means_its_own(producer_api, other_api, two):
    for api, ours in zip((producer_api, other_api), two, strict=True):
        assert api.get(f"/hitl/decisions/{ALIAS}").json()["decision_id"] == ours
        assert api.get(f"/hitl/decisions/{ALIAS}", wait=0.01).json()["decision_id"] == ours


def test_everybody_else_is_told_which_decisions_have_the_name(deployer_api, token_for, api_of, alice, two):
    for api in (deployer_api, api_of(alice), Api(token_for("producer", "third"))):
        assert_ambiguous(api.get(f"/hitl/decisions/{ALIAS}"), two)
    assert_ambiguous(deployer_api.post(f"/hitl/decisions/{ALIAS}/acknowledge", {"position": 1}), two)
    assert_ambiguous(Api(token_for("auditor", "audit")).get("/hitl/analytics/audit-logs", decision_id=ALIAS), two)
    gate = deployer_api.get(f"/api/approvals/{ALIAS}")
    assert_ambiguous(gate, two)


def test_a_name_that_one_producer_uses_is_enough_for_everybody(producer_api, deployer_api, other_api):
    ours = push(producer_api, "P-1")
    for api in (producer_api, deployer_api, other_api):
        assert api.get(f"/hitl/decisions/{ALIAS}").json()["decision_id"] == ours


def test_nothing_is_decided_under_a_name_of_two(api_of, alice, two):
    sha256 = Decision.objects.get(decision_id=two[0]).patch.sha256
    body = {"decision_id": ALIAS, "patch_sha256": sha256}
    for act in ("approve", "reject", "escalate"):
        more = {} if act == "approve" else {"reason": "No."}
        assert_ambiguous(api_of(alice).post(f"/hitl/patches/P-1/{act}", {**body, **more}), two)
    assert_ambiguous(api_of(alice).post("/hitl/patches/P-1/comment", {**body, "comment": "Hm."}), two)
    [result] = api_of(alice).post("/hitl/decisions/bulk", {"items": [body], "verdict": "approve"}).json()
    assert result["status"] == 409
    assert all(ours in result["detail"] for ours in two)
    assert set(Decision.objects.values_list("status", flat=True)) == {"pending"}


def test_a_producer_cancels_its_own_by_that_name(other_api, two):
    sha256 = Decision.objects.get(decision_id=two[1]).patch.sha256
    body = {"decision_id": ALIAS, "patch_sha256": sha256, "reason": "Wrong."}
    assert other_api.post("/hitl/patches/P-2/cancel", body).json()["decision_id"] == two[1]
    assert Decision.objects.get(decision_id=two[0]).status == "pending"


def test_the_log_is_found_by_a_name_and_the_patch_beside_it(token_for, two):
    answer = Api(token_for("auditor", "audit")).get("/hitl/analytics/audit-logs", decision_id=ALIAS, patch_id="P-2")
    assert [row["decision_id"] for row in answer.json()] == [two[1]]


def test_a_page_at_such_a_name_says_which_decisions_have_it(sign_in, alice, two):
    answer = sign_in(alice).get(reverse("patch-detail", args=[UUID(ALIAS)]))
    assert answer.status_code == 409
    assert all(ours in answer.content.decode() for ours in two)
    assert sign_in(alice).get(reverse("patch-panel", args=[UUID(ALIAS)])).status_code == 409


def test_a_patch_id_of_two_producers_lists_the_decisions_too(producer_api, other_api, deployer_api):
    made = [api.post("/hitl/patches", document()).json()["decision_id"] for api in (producer_api, other_api)]
    answer = deployer_api.get("/hitl/patches/PATCH-0001")
    assert (answer.status_code, sorted(answer.json()["decision_ids"])) == (409, sorted(made))


def test_one_producer_uses_a_name_once(producer_api, two):
    answer = producer_api.post("/hitl/patches", document(patch_id="P-3", decision_id=ALIAS))
    assert answer.status_code == 422
    assert answer.json()["errors"] == [{"loc": ["body", "decision_id"], "msg": "already used"}]
    lines = "\n".join(json.dumps(document(patch_id=f"P-{number}", decision_id="twice")) for number in (4, 5))
    answer = producer_api.client.post("/hitl/patches/bulk", lines, content_type="application/x-ndjson")
    assert b'"status": 201' in answer.content or b'"status":201' in answer.content
    assert b"already used" in answer.content


# What the database refuses, whoever asks


def test_the_database_gives_a_name_once_a_producer(make_patch):
    make_patch(decision_id="mine")
    second = make_patch()
    with pytest.raises(IntegrityError, match="decision_alias_once"), transaction.atomic():
        Decision.objects.filter(pk=second.pk).update(alias="mine")


def test_whose_a_name_is_cannot_be_written_otherwise(make_patch, other_api, two):
    one, other = (Decision.objects.get(decision_id=ours) for ours in two)
    with connection.cursor() as cursor:
        cursor.execute(
            "update approvals_decision set alias_producer_id = %s where id = %s", [other.alias_producer_id, one.pk]
        )
    one.refresh_from_db()
    assert one.alias_producer_id == one.patch.producer_id != other.alias_producer_id
    nameless = make_patch()
    Decision.objects.filter(pk=nameless.pk).update(alias_producer=one.alias_producer_id)
    nameless.refresh_from_db()
    assert (nameless.alias, nameless.alias_producer_id) == (None, None)
