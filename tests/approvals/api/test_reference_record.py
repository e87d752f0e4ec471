"""The reference API's whole record is accepted and claims nothing that is ours to decide; its endpoint works."""

from typing import Any

import pytest

from approvals.models import Decision
from tests.cast import Api

pytestmark = pytest.mark.django_db

RECORD: dict[str, Any] = {
    "decision_id": "0d2c5f5e-1f5a-4d2f-9a3e-8a4f1f0b7c11",
    "patch_id": "PATCH-S1",
    "patch_metadata": {
        "apv_id": "APV-1",
        "cve_id": None,
        "package_name": "flask",
        "current_version": "2.0.0",
        "target_version": "2.0.3",
        "severity": "high",
        "cvss_score": None,
        "cwe_ids": [],
        "affected_systems": [],
        "patch_size_lines": 0,
    },
    "ml_prediction": {
        "model_version": "rf_v1",
        "confidence": 0.9,
        "prediction": True,
        "shap_values": None,
        "execution_time_ms": 12,
    },
    "wargaming_result": {
        "phase1_success": True,
        "phase2_success": True,
        "validation_passed": True,
        "execution_time_ms": 100,
        "error_message": None,
        "exploit_id": None,
    },
    "decision": "pending",
    "decided_by": None,
    "decided_at": None,
    "priority": "medium",
    "comment": None,
    "reason": None,
    "created_at": "2024-01-01T00:00:00",
    "updated_at": "2024-01-01T00:00:00",
    "requires_escalation": False,
    "auto_approval_eligible": True,
    "ml_wargaming_agreement": False,
}


def test_s1s_whole_record_is_accepted(producer_api):
    answer = producer_api.post("/hitl/patches", RECORD)
    assert answer.status_code == 201
    body = answer.json()
    assert body["priority"] == "high"  # theirs was lower than ours
    assert body["decision_id"] != RECORD["decision_id"]
    record = producer_api.get(f"/hitl/decisions/{RECORD['decision_id']}").json()
    assert record["decision_id"] == body["decision_id"]
    assert record["alias"] == RECORD["decision_id"]
    assert record["ml_wargaming_agreement"] is True  # ours, not the false they sent
    assert not record["auto_approval_eligible"]  # ours, not the true they sent
    assert record["created_at"] > "2025"


@pytest.mark.parametrize(
    "claim",
    [
        {"decision": "approved"},
        {"decision": "auto_approved"},
        {"decided_by": "sam@example.org"},
        {"decided_at": "2024-01-01T00:00:00"},
    ],
)
def test_a_record_that_claims_a_decision_is_refused(producer_api, claim):
    answer = producer_api.post("/hitl/patches", RECORD | claim)
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["loc"] == ["body", next(iter(claim))]
    assert not Decision.objects.exists()


def test_s1s_other_server_owned_fields_are_ignored_whatever_they_hold(producer_api):
    odd = {"created_at": 5, "updated_at": "never", "requires_escalation": "yes", "ml_wargaming_agreement": None}
    assert producer_api.post("/hitl/patches", RECORD | odd).status_code == 201
    assert producer_api.post("/hitl/patches", RECORD).status_code == 200  # they are no content either


def test_the_s1_endpoint_answers_200_and_takes_its_header(producer_api, token_for):
    anonymous = Api()
    assert anonymous.post("/hitl/admin/create-decision", RECORD).status_code == 401
    wrong = anonymous.post("/hitl/admin/create-decision", RECORD, **{"X-Admin-Token": "hitl_abcdefgh_wrong"})
    assert wrong.status_code == 401
    answer = anonymous.post("/hitl/admin/create-decision", RECORD, **{"X-Admin-Token": token_for()})
    assert (answer.status_code, answer.json()["status"]) == (200, "pending")
    assert answer["Location"].endswith(answer.json()["decision_id"])


def test_the_admin_header_counts_at_no_other_address(token_for):
    assert Api().post("/hitl/patches", RECORD, **{"X-Admin-Token": token_for()}).status_code == 401
