"""POST /hitl/patches: what is answered, what is stored, which fields exist."""

import base64
import json
from uuid import UUID

import pytest
from django.utils import timezone

from approvals.models import Decision, KnownExploited, Patch, PatchContent, Priority
from audit.models import Entry
from audit.queries import body_of
from tests.cast import DIFF, document

pytestmark = pytest.mark.django_db

FULL = {
    "patch_id": "PATCH-0001",
    "patch_metadata": {
        "apv_id": "APV-0001",
        "title": "Bind the parameters",
        "description": "The name went into the statement.",
        "cve_id": "CVE-2024-9999",
        "cve_ids": ["cve-2024-9998"],
        "aliases": ["GHSA-1"],
        "cve_description": "SQL injection",
        "affected_range": "<1.4.46",
        "cwe_ids": ["CWE-89"],
        "severity": "critical",
        "cvss_score": 9.8,
        "cvss_vector": "CVSS:3.1/AV:N",
        "epss": 0.42,
        "epss_date": "2026-11-01",
        "kev": True,
        "references": ["https://example.org/advisory"],
        "package_name": "sqlalchemy",
        "ecosystem": "pypi",
        "purl": "pkg:pypi/sqlalchemy@1.4.0",
        "current_version": "1.4.0",
        "target_version": "1.4.46",
        "language": "python",
        "affected_systems": ["web-01"],
        "patch_size_lines": 120,
        "repository": "https://example.org/repo",
        "base_commit": "0f" * 20,
        "strategy": "version_bump",
        "risk_level": "low",
        "vulnerable_locations": [{"file": "app.py", "start": 10, "end": 20}],
    },
    "diff": DIFF,
    "ml_prediction": {
        "model_version": "rf_v2",
        "confidence": 0.87,
        "prediction": True,
        "shap_values": {"lines_added": 0.37, "churn": {"value": 12, "contribution": -0.1}},
        "base_value": 0.5,
        "execution_time_ms": 90,
    },
    "wargaming_result": {
        "phase1_success": True,
        "phase2_success": True,
        "validation_passed": True,
        "verdict": "passed",
        "execution_time_ms": 240000,
        "error_message": None,
        "exploit_id": "exp-1",
        "phases": [{"name": "exploit before", "success": True, "duration_ms": 100, "exit_code": 0}],
        "log": "exploit refused",
        "run_url": "https://example.org/run/1",
    },
    "priority": "critical",
    "requires_manual_review": True,
    "manual_review_reason": "touches the login",
    "submitted_by": "sam@example.org",
    "triggered_by": "tess@example.org",
    "model_owner": "mo@example.org",
    "simulation_author": "sid@example.org",
    "decision_id": "s1-0001",
}


def test_the_answer_has_every_field_of_the_contract(producer_api):
    answer = producer_api.post("/hitl/patches", document())
    assert answer.status_code == 201
    body = answer.json()
    assert set(body) == {
        "decision_id",
        "patch_id",
        "revision",
        "newest_revision",
        "patch_sha256",
        "canonical_sha256",
        "status",
        "priority",
        "sla_due_at",
        "policy",
        "trace",
        "parse_warnings",
    }
    assert (body["revision"], body["newest_revision"], body["status"]) == (1, 1, "pending")
    assert body["policy"] == {"name": "medium", "version": 1}
    assert answer["Location"] == f"/hitl/decisions/{body['decision_id']}"
    assert UUID(body["decision_id"]).version == 7
    assert producer_api.get(answer["Location"]).json()["decision_id"] == body["decision_id"]


def test_the_trace_says_of_every_condition_what_it_found(producer_api):
    trace = producer_api.post("/hitl/patches", document()).json()["trace"]
    assert len(trace) >= 12
    assert all(set(row) == {"text", "value", "outcome"} for row in trace)
    assert {row["outcome"] for row in trace} <= {"pass", "fail", "absent"}
    assert {row["text"]: row["outcome"] for row in trace}["ML predicts success"] == "absent"


def test_what_is_odd_about_the_diff_is_answered_in_words(producer_api):
    wrong_counts = DIFF.replace("@@ -1,2 +1,2 @@", "@@ -1,9 +1,2 @@")
    [warning, *_] = producer_api.post("/hitl/patches", document(diff=wrong_counts)).json()["parse_warnings"]
    assert set(warning) == {"code", "message", "file", "line"}
    assert warning["message"]


def test_every_field_is_stored_as_it_was_sent(producer_api):
    assert producer_api.post("/hitl/patches", FULL).status_code == 201
    patch = Patch.objects.get()
    for name, value in FULL["patch_metadata"].items():
        if name not in {"cve_id", "cve_ids", "epss_date"}:
            assert getattr(patch, name) == value, name
    assert patch.cve_ids == ["CVE-2024-9999", "cve-2024-9998"]
    assert str(patch.epss_date) == "2026-11-01"
    assert (patch.ml_confidence, patch.ml_prediction, patch.ml_model_version) == (0.87, True, "rf_v2")
    assert patch.ml_shap == FULL["ml_prediction"]["shap_values"]
    assert (patch.ml_base_value, patch.ml_execution_ms) == (0.5, 90)
    assert (patch.wargaming, patch.wargaming_phase1, patch.wargaming_phase2) == ("passed", True, True)
    assert (patch.wargaming_exploit_id, patch.wargaming_log) == ("exp-1", "exploit refused")
    assert patch.wargaming_phases[0]["name"] == "exploit before"
    assert (patch.wargaming_run_url, patch.wargaming_execution_ms) == ("https://example.org/run/1", 240000)
    assert (patch.submitted_by, patch.triggered_by) == ("sam@example.org", "tess@example.org")
    assert (patch.model_owner, patch.simulation_author) == ("mo@example.org", "sid@example.org")
    assert (patch.requires_manual_review, patch.manual_review_reason) == (True, "touches the login")
    assert patch.decision.alias == "s1-0001"


def test_the_documents_own_names_read_back_the_same(producer_api):
    decision_id = producer_api.post("/hitl/patches", FULL).json()["decision_id"]
    record = producer_api.get(f"/hitl/decisions/{decision_id}").json()
    sent = FULL["patch_metadata"] | {"cve_ids": ["CVE-2024-9999", "cve-2024-9998"]}
    assert record["patch_metadata"] == sent
    assert record["ml_prediction"] == FULL["ml_prediction"]
    assert record["wargaming_result"]["phases"][0]["exit_code"] == 0
    assert record["people"]["submitted_by"] == "sam@example.org"


def test_the_least_document_is_enough(producer_api):
    body = {"patch_id": "p", "patch_metadata": {"apv_id": "a", "severity": "unknown", "repository": "r"}}
    answer = producer_api.post("/hitl/patches", body)
    assert answer.status_code == 201
    assert answer.json()["priority"] == "medium"  # unknown severity waits as medium


@pytest.mark.parametrize("missing", ["patch_id", "patch_metadata"])
def test_a_missing_field_is_named(producer_api, missing):
    body = document()
    del body[missing]
    answer = producer_api.post("/hitl/patches", body)
    assert answer.status_code == 422
    assert answer["Content-Type"] == "application/problem+json"
    assert answer.json()["errors"][0]["loc"] == ["body", missing]


@pytest.mark.parametrize("missing", ["apv_id", "severity"])
def test_a_missing_field_of_the_metadata_is_named(producer_api, missing):
    body = document()
    del body["patch_metadata"][missing]
    errors = producer_api.post("/hitl/patches", body).json()["errors"]
    assert errors[0]["loc"] == ["body", "patch_metadata", missing]


@pytest.mark.parametrize("package", [None, "", "   "])
def test_package_or_repository_is_required(producer_api, package):
    answer = producer_api.post("/hitl/patches", document(package_name=package))
    assert answer.status_code == 422
    assert "package_name or repository" in answer.json()["errors"][0]["msg"]


@pytest.mark.parametrize(
    ("place", "loc"),
    [
        ((), ["body", "surprise"]),
        (("patch_metadata",), ["body", "patch_metadata", "surprise"]),
        (("ml_prediction",), ["body", "ml_prediction", "surprise"]),
        (("wargaming_result",), ["body", "wargaming_result", "surprise"]),
        (("wargaming_result", "phases", 0), ["body", "wargaming_result", "phases", 0, "surprise"]),
        (
            ("patch_metadata", "vulnerable_locations", 0),
            ["body", "patch_metadata", "vulnerable_locations", 0, "surprise"],
        ),
    ],
)
def test_an_unknown_field_is_refused_by_its_name(producer_api, place, loc):
    body = {**FULL, "patch_metadata": {**FULL["patch_metadata"]}, "wargaming_result": {**FULL["wargaming_result"]}}
    body["ml_prediction"] = {**FULL["ml_prediction"]}
    body["wargaming_result"]["phases"] = [{"name": "exploit before"}]
    body["patch_metadata"]["vulnerable_locations"] = [{"file": "app.py"}]
    target = body
    for step in place:
        target = target[step]
    target["surprise"] = 1
    answer = producer_api.post("/hitl/patches", body)
    assert answer.status_code == 422
    assert loc in [error["loc"] for error in answer.json()["errors"]]
    assert not Patch.objects.exists()


@pytest.mark.parametrize("body", [[], 5, "text", None])
def test_a_body_that_is_no_object_is_refused(producer_api, body):
    answer = producer_api.client.generic("POST", "/hitl/patches", json.dumps(body), content_type="application/json")
    assert answer.status_code == 422


@pytest.mark.parametrize("raw", [b" ", b"{", b"\xff\xfe\xfa", b'{"a": 1}{', b'{"patch_id": "\xff"}'])
def test_a_body_that_is_no_json_is_400(producer_api, raw):
    answer = producer_api.client.generic("POST", "/hitl/patches", raw, content_type="application/json")
    assert answer.status_code == 400
    assert answer["Content-Type"] == "application/problem+json"


def test_a_body_nested_too_deeply_is_refused(producer_api):
    for nested in (b"[" * 5_000 + b"]" * 5_000, b'{"created_at": ' + b"[" * 900 + b"]" * 900 + b"}"):
        answer = producer_api.client.generic("POST", "/hitl/patches", nested, content_type="application/json")
        assert answer.status_code in {400, 422}


def test_an_empty_decision_id_means_none(producer_api):
    assert producer_api.post("/hitl/patches", document(decision_id="")).status_code == 201
    assert Decision.objects.get().alias is None


def test_a_used_alias_is_refused_and_nothing_is_stored(producer_api):
    producer_api.post("/hitl/patches", document(decision_id="mine"))
    answer = producer_api.post("/hitl/patches", document(patch_id="other", decision_id="mine"))
    assert answer.status_code == 422
    assert answer.json()["errors"] == [{"loc": ["body", "decision_id"], "msg": "already used"}]
    assert Decision.objects.count() == 1


@pytest.mark.parametrize("spelling", [str, lambda value: value.hex, lambda value: str(value).upper()])
def test_an_alias_cannot_take_the_name_of_another_decision(producer_api, make_patch, spelling):
    taken = make_patch().decision_id
    answer = producer_api.post("/hitl/patches", document(patch_id="other", decision_id=spelling(taken)))
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["loc"] == ["body", "decision_id"]


@pytest.mark.parametrize("alias", ["a/b", ".hidden", "bulk", "x" * 201, "a b"])
def test_an_alias_has_the_alphabet_of_a_patch_id(producer_api, alias):
    assert producer_api.post("/hitl/patches", document(decision_id=alias)).status_code == 422


def test_the_diff_may_come_as_base64_for_bytes_that_are_no_text(producer_api):
    raw = b"--- a/x\n+++ b/x\n@@ -1 +1 @@\n-\xff\x00\n+\xfe\r\n"
    answer = producer_api.post("/hitl/patches", document(diff=None, diff_base64=base64.b64encode(raw).decode()))
    assert answer.status_code == 201
    assert bytes(PatchContent.objects.get().diff) == raw


def test_a_nul_inside_the_diff_is_kept(producer_api):
    diff = DIFF + "\x00"
    assert producer_api.post("/hitl/patches", document(diff=diff)).status_code == 201
    assert bytes(PatchContent.objects.get().diff) == diff.encode()


def test_the_digest_is_of_the_diff_or_without_one_of_the_document(producer_api):
    one = producer_api.post("/hitl/patches", document(patch_id="one")).json()["patch_sha256"]
    two = producer_api.post("/hitl/patches", document(patch_id="two", title="other")).json()["patch_sha256"]
    bare = producer_api.post("/hitl/patches", document(patch_id="three", diff=None)).json()["patch_sha256"]
    other = producer_api.post("/hitl/patches", document(patch_id="three", diff=None, title="x")).json()["patch_sha256"]
    assert one == two
    assert len({one, bare, other}) == 3


@pytest.mark.parametrize(
    ("severity", "asked", "expected"),
    [("medium", "critical", "critical"), ("high", "low", "high"), ("low", None, "low"), ("unknown", "low", "medium")],
)
def test_a_producer_raises_the_priority_but_never_lowers_it(producer_api, severity, asked, expected):
    assert (
        producer_api.post("/hitl/patches", document(severity=severity, priority=asked)).json()["priority"] == expected
    )


def test_a_cve_known_to_be_exploited_raises_the_priority(producer_api):
    KnownExploited.objects.create(cve_id="CVE-2024-7777", added_on="2026-01-01", imported_at=timezone.now())
    assert producer_api.post("/hitl/patches", document(severity="low")).json()["priority"] == "high"
    assert Patch.objects.get().known_exploited


def test_the_producers_own_word_on_exploitation_raises_it_too(producer_api):
    assert producer_api.post("/hitl/patches", document(severity="unknown", kev=True)).json()["priority"] == "critical"


def test_a_high_cvss_score_counts_above_a_low_word(producer_api):
    answer = producer_api.post("/hitl/patches", document(severity="low", cvss_score=9.1)).json()
    assert answer["priority"] == "critical"
    assert Patch.objects.get().effective_severity == "critical"


def test_an_earlier_patch_of_the_cve_counts_too(producer_api, make_patch):
    make_patch(severity="critical", cve_id="CVE-2024-7777")
    assert producer_api.post("/hitl/patches", document(severity="low")).json()["priority"] == "critical"


def test_the_entry_of_a_submission_names_its_digests_and_its_producer(producer_api):
    answer = producer_api.post("/hitl/patches", document())
    entry = Entry.objects.get(type="patch.submitted")
    body = body_of(entry)
    assert body["object"] == {"type": "decision", "id": answer.json()["decision_id"], "n": 1, "prev": None}
    assert body["patch"]["sha256"] == answer.json()["patch_sha256"]
    assert body["data"]["producer"] == "patchgen"
    assert body["request"]["id"] == answer["X-Request-ID"]
    assert entry.context.actor_label == "patchgen"
    assert Decision.objects.get().priority == Priority.MEDIUM
