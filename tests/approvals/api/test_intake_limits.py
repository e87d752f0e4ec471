"""The limits of the intake document: each value at its limit is taken, one above it is refused by name."""

import base64
import json

import pytest

from approvals.models import Patch
from tests.cast import document

pytestmark = pytest.mark.django_db

STRINGS = {
    "title": 500,
    "description": 20_000,
    "cve_description": 20_000,
    "apv_id": 255,
    "affected_range": 255,
    "cvss_vector": 255,
    "package_name": 255,
    "ecosystem": 255,
    "purl": 255,
    "current_version": 255,
    "target_version": 255,
    "language": 255,
    "repository": 255,
    "base_commit": 255,
}
TOP_STRINGS = {
    "manual_review_reason": 255,
    "submitted_by": 255,
    "triggered_by": 255,
    "model_owner": 255,
    "simulation_author": 255,
}
LISTS = ["cve_ids", "aliases", "cwe_ids", "affected_systems"]
ID_OF_255 = "ID-1".ljust(255, "0")
ML = {"confidence": 0.5, "prediction": True}
WARGAMING = {"phase1_success": True, "phase2_success": True, "validation_passed": True}
MIB = 1024 * 1024


def refused(answer, *loc):
    assert answer.status_code == 422, answer.content[:300]
    assert ["body", *loc] in [error["loc"] for error in answer.json()["errors"]], answer.json()
    assert not Patch.objects.exists()


@pytest.mark.parametrize(("name", "limit"), STRINGS.items())
def test_a_string_of_the_metadata_ends_at_its_limit(producer_api, name, limit):
    refused(producer_api.post("/hitl/patches", document(**{name: "x" * (limit + 1)})), "patch_metadata", name)
    assert producer_api.post("/hitl/patches", document(**{name: "é" * limit})).status_code == 201


def test_an_identifier_ends_at_255_characters(producer_api):
    refused(producer_api.post("/hitl/patches", document(cve_id=f"{ID_OF_255}0")), "patch_metadata", "cve_id")
    assert producer_api.post("/hitl/patches", document(cve_id=ID_OF_255)).status_code == 201


@pytest.mark.parametrize(("name", "limit"), TOP_STRINGS.items())
def test_a_string_of_the_document_ends_at_its_limit(producer_api, name, limit):
    refused(producer_api.post("/hitl/patches", document(**{name: "x" * (limit + 1)})), name)
    assert producer_api.post("/hitl/patches", document(**{name: "x" * limit})).status_code == 201


@pytest.mark.parametrize("name", LISTS)
def test_a_list_has_at_most_100_items_of_255(producer_api, name):
    refused(producer_api.post("/hitl/patches", document(**{name: ["x"] * 101})), "patch_metadata", name)
    refused(producer_api.post("/hitl/patches", document(**{name: ["x" * 256]})), "patch_metadata", name, 0)
    full = [f"ID-{number:0252}" for number in range(100)]
    assert producer_api.post("/hitl/patches", document(**{name: full})).status_code == 201


def test_the_first_100_references_are_kept_and_the_rest_is_said(producer_api):
    links = [f"https://example.org/{number}" for number in range(1_500)]
    answer = producer_api.post("/hitl/patches", document(references=links))
    assert answer.status_code == 201
    [said] = answer.json()["parse_warnings"]
    assert said["message"] == "1,500 references were sent; the first 100 are kept."
    assert Patch.objects.get().references == links[:100]
    answer = producer_api.post("/hitl/patches", document(patch_id="P", references=links[:100]))
    assert answer.json()["parse_warnings"] == []


def test_a_reference_has_at_most_2000_characters(producer_api):
    long = "https://example.org/".ljust(2_001, "x")
    refused(producer_api.post("/hitl/patches", document(references=[long])), "patch_metadata", "references", 0)
    assert producer_api.post("/hitl/patches", document(references=[long[:-1]])).status_code == 201


NO_LINKS = [
    "javascript:alert(1)",
    " javascript:alert(1)",
    "ftp://example.org",
    "//example.org",
    "x",
    "https:",
    "http://[",
]


@pytest.mark.parametrize("address", NO_LINKS)
def test_a_reference_that_is_no_web_address_stands_as_text(producer_api, sign_in, alice, address):
    answer = producer_api.post("/hitl/patches", document(references=[address, "https://example.org/1"]))
    assert answer.status_code == 201
    [said] = answer.json()["parse_warnings"]
    assert said["message"] == "1 reference is no http or https address and stands as text, not as a link."
    page = sign_in(alice).get(f"/patches/{answer.json()['decision_id']}").content.decode()
    assert f">{address.strip()}</span>" in page
    assert f'href="{address.strip()}"' not in page
    assert 'href="https://example.org/1"' in page
    assert said["message"] in page


def test_a_blank_reference_is_none(producer_api):
    answer = producer_api.post("/hitl/patches", document(references=["", " "]))
    assert (answer.status_code, answer.json()["parse_warnings"]) == (201, [])
    assert Patch.objects.get().references == []


@pytest.mark.parametrize("link", [*NO_LINKS, ""])
def test_a_link_is_http_or_https(producer_api, link):
    run = {**WARGAMING, "run_url": link}
    refused(producer_api.post("/hitl/patches", document(wargaming_result=run)), "wargaming_result", "run_url")


def test_shap_has_at_most_200_features(producer_api):
    for count, status in ((201, 422), (200, 201)):
        shap = {f"feature_{number}": 0.1 for number in range(count)}
        answer = producer_api.post("/hitl/patches", document(ml_prediction={**ML, "shap_values": shap}))
        assert answer.status_code == status


@pytest.mark.parametrize("value", ["0.5", None, True, [1], {"value": 1}, {"contribution": "0.5"}])
def test_a_shap_value_is_a_number_or_a_value_with_its_contribution(producer_api, value):
    answer = producer_api.post("/hitl/patches", document(ml_prediction={**ML, "shap_values": {"feature": value}}))
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["loc"][:4] == ["body", "ml_prediction", "shap_values", "feature"]


def test_a_log_has_at_most_one_mebibyte_counted_in_bytes(producer_api):
    log = "é" * (MIB // 2)
    refused(
        producer_api.post("/hitl/patches", document(wargaming_result={**WARGAMING, "log": log + "x"})),
        "wargaming_result",
        "log",
    )
    answer = producer_api.post("/hitl/patches", document(wargaming_result={**WARGAMING, "log": log}))
    assert answer.status_code == 201


def test_a_diff_as_text_has_at_most_one_mebibyte(producer_api):
    head = "--- a/x\n+++ b/x\n@@ -1 +1 @@\n-a\n+"
    text = head + "x" * (MIB - len(head))
    answer = producer_api.post("/hitl/patches", document(diff=text + "x"))
    assert answer.status_code == 422
    assert "1 MiB" in answer.json()["errors"][0]["msg"]
    assert producer_api.post("/hitl/patches", document(diff=text)).status_code == 201


def test_the_text_limit_counts_bytes_not_characters(producer_api):
    assert producer_api.post("/hitl/patches", document(diff="é" * (MIB // 2 + 1))).status_code == 422


def test_a_diff_has_at_most_five_mebibytes(producer_api):
    raw = b"--- a/x\n+++ b/x\n@@ -1 +1 @@\n-a\n+" + b"x" * (5 * MIB)
    for size, status in ((5 * MIB + 1, 422), (5 * MIB, 201)):
        encoded = base64.b64encode(raw[:size]).decode()
        answer = producer_api.post("/hitl/patches", document(diff=None, diff_base64=encoded))
        assert answer.status_code == status


def test_both_diffs_at_once_are_refused(producer_api):
    answer = producer_api.post("/hitl/patches", document(diff="x", diff_base64="eA=="))
    assert answer.status_code == 422
    assert "not both" in answer.json()["errors"][0]["msg"]


@pytest.mark.parametrize("encoded", ["e", "eA=", "eA==\n!", "ä", "eA=="[:-1] + "?"])
def test_base64_is_read_strictly(producer_api, encoded):
    assert producer_api.post("/hitl/patches", document(diff=None, diff_base64=encoded)).status_code == 422


def test_a_body_above_eight_mebibytes_is_413_before_it_is_read(producer_api):
    answer = producer_api.client.generic("POST", "/hitl/patches", b" " * (8 * MIB + 1), content_type="application/json")
    assert answer.status_code == 413
    assert answer["Content-Type"] == "application/problem+json"
    assert (
        producer_api.client.generic(
            "POST", "/hitl/patches", b" " * (8 * MIB), content_type="application/json"
        ).status_code
        < 413
    )


@pytest.mark.parametrize(
    "patch_id",
    ["", ".hidden", "a/b", "a b", "é", "a\n", "x" * 201, "pending", "bulk", "by-digest", "a?b", "a%2Fb", "a\\b"],
)
def test_a_patch_id_outside_the_alphabet_is_refused(producer_api, patch_id):
    refused(producer_api.post("/hitl/patches", document(patch_id=patch_id)), "patch_id")


@pytest.mark.parametrize("patch_id", ["a", "x" * 200, "A.b_c:d@e+f-9", "-", "+", "Pending"])
def test_a_patch_id_within_the_alphabet_can_be_read_back(producer_api, patch_id):
    assert producer_api.post("/hitl/patches", document(patch_id=patch_id)).status_code == 201
    path = "/hitl/patches/" + patch_id.replace("+", "%2B")
    assert producer_api.client.get(path).json()["patch_id"] == patch_id


@pytest.mark.parametrize("bad", ["nul \x00 here", "lone \ud800 surrogate"])
@pytest.mark.parametrize(
    "place",
    [
        {"title": "?"},
        {"cve_ids": ["?"]},
        {"submitted_by": "?"},
        {"comment": "?"},
        {"created_at": {"deep": ["?"]}},
        {"ml_prediction": {**ML, "shap_values": {"?": 0.1}}},
        {"wargaming_result": {**WARGAMING, "log": "?"}},
        {"wargaming_result": {**WARGAMING, "phases": [{"name": "?"}]}},
        {"diff": None, "diff_base64": "?"},
    ],
)
def test_nul_and_lone_surrogates_are_refused_wherever_they_stand(producer_api, bad, place):
    assert producer_api.post("/hitl/patches", document(**_with(place, bad))).status_code == 422
    assert not Patch.objects.exists()


def _with(value, bad):
    if isinstance(value, dict):
        return {_with(key, bad) if key == "?" else key: _with(item, bad) for key, item in value.items()}
    if isinstance(value, list):
        return [_with(item, bad) for item in value]
    return bad if value == "?" else value


def test_a_lone_surrogate_in_the_diff_is_refused(producer_api):
    answer = producer_api.post("/hitl/patches", document(diff="+\udcff"))
    assert answer.status_code == 422
    assert "diff_base64" in answer.json()["errors"][0]["msg"]


def test_an_error_never_echoes_what_was_sent(producer_api):
    answer = producer_api.post("/hitl/patches", document(severity="hunter2", patch_id="hunter2/"))
    assert b"hunter2" not in answer.content
    assert {frozenset(error) for error in answer.json()["errors"]} == {frozenset({"loc", "msg"})}


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("cvss_score", 10.1),
        ("cvss_score", -0.1),
        ("cvss_score", "9.8"),
        ("cvss_score", True),
        ("epss", 1.01),
        ("epss_date", "yesterday"),
        ("patch_size_lines", -1),
        ("patch_size_lines", 2**31),
        ("patch_size_lines", True),
        ("kev", "yes"),
        ("kev", 1),
        ("severity", "catastrophic"),
        ("strategy", "luck"),
        ("risk_level", "unknown"),
        ("vulnerable_locations", [{"start": 1}]),
    ],
)
def test_a_value_of_the_wrong_kind_is_refused(producer_api, name, value):
    answer = producer_api.post("/hitl/patches", document(**{name: value}))
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["loc"][:3] == ["body", "patch_metadata", name]


@pytest.mark.parametrize("literal", ["NaN", "Infinity", "-Infinity", "1e999", "1" + "0" * 400])
def test_a_number_that_is_not_finite_is_refused(producer_api, literal):
    text = json.dumps(document(cvss_score=1.5)).replace("1.5", literal)
    answer = producer_api.client.generic("POST", "/hitl/patches", text, content_type="application/json")
    assert answer.status_code == 422
