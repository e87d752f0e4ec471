"""No request costs out of proportion: depth, values, errors and lengths are bounded before anything is judged."""

import json
from typing import Any

import pytest

from approvals import strict_json
from approvals.api import bulk, schemas
from approvals.models import Patch
from tests.cast import document, gate_request

pytestmark = pytest.mark.django_db

LEVELS, VALUES = 50, 50_000


def post(api, body, path: str = "/hitl/patches"):
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    kind = "application/x-ndjson" if path.endswith("patches/bulk") else "application/json"
    return api.client.generic("POST", path, raw, content_type=kind)


def nested(levels: int):
    value: Any = 1
    for level in range(levels):
        value = [value] if level % 2 else {"a": value}
    return value


def values_of(value) -> int:
    inside = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return 1 + sum(values_of(item) for item in inside)


def test_fifty_levels_are_read_and_one_more_is_not(producer_api):
    assert post(producer_api, document(created_at=nested(LEVELS - 1))).status_code == 201
    answer = post(producer_api, document(created_at=nested(LEVELS)))
    assert (answer.status_code, answer["Content-Type"]) == (400, "application/problem+json")
    assert answer.json()["detail"] == "The JSON is nested more than 50 levels deep."
    assert Patch.objects.count() == 1


def test_fifty_thousand_values_are_read_and_one_more_is_not(producer_api):
    room = VALUES - values_of(document(created_at=[]))
    assert post(producer_api, document(created_at=[0] * room)).status_code == 201
    answer = post(producer_api, document(created_at=[0] * (room + 1)))
    assert (answer.status_code, answer.json()["detail"]) == (400, "The JSON has more than 50,000 values.")


@pytest.mark.parametrize("path", ["/hitl/patches", "/hitl/admin/create-decision", "/api/approvals"])
@pytest.mark.parametrize("body", [b"[" * 51 + b"]" * 51, b"[" + b"0," * VALUES + b"0]"])
def test_every_intake_is_bounded(producer_api, path, body):
    answer = post(producer_api, body, path)
    assert answer.status_code == 400
    assert answer.json()["detail"].startswith("The JSON ")


ACTS = ["approve", "reject", "request-changes", "withdraw", "comment", "escalate", "extend", "cancel", "revoke"]


@pytest.mark.parametrize(
    "path",
    [
        *[f"/hitl/patches/P/{act}" for act in ACTS],
        "/hitl/decisions/bulk",
        *[f"/api/approvals/018f0000-0000-7000-8000-000000000000/{act}" for act in ("approve", "reject", "cancel")],
    ],
)
def test_every_act_is_bounded(api_of, lena, path):
    answer = post(api_of(lena), b"[" * 51 + b"]" * 51, path)
    assert (answer.status_code, answer.json()["detail"]) == (400, "The JSON is nested more than 50 levels deep.")


@pytest.mark.parametrize("body", [b'{"a":' * 51 + b"1" + b"}" * 51, b"[" + b'"",' * VALUES + b'""]'])
def test_a_line_is_bounded_as_the_document_alone(producer_api, body):
    line = json.dumps(document()).encode()
    found = [
        json.loads(one) for one in post(producer_api, body + b"\n" + line, "/hitl/patches/bulk").content.splitlines()
    ]
    assert [one["status"] for one in found] == [400, 201]


@pytest.mark.parametrize(
    "text",
    [
        '"[[[{{{,,,"',
        '"\\"[[[[,,,,"',
        '"\\\\"',
        '{"[,{":"]},"}',
        '["",{},[],{"a":[]},[ ],{ }]',
        "[1, 2,\t3,\n4]",
        '"\\ud83d\\ude00é😀"',
        "1e5",
    ],
)
def test_brackets_and_commas_within_texts_are_no_values(text):
    found, count = strict_json.measured(text.encode())
    assert (found, count) == (json.loads(text), values_of(json.loads(text)))


@pytest.mark.parametrize("raw", [b'"' * 300_001, b"]" * 100, b"[1]]]" + b"[" * 60, b'"\\', b'{"a":"\\"\\"\\"'])
def test_what_is_no_json_is_refused_all_the_same(producer_api, raw):
    assert post(producer_api, raw).status_code == 400


def test_twenty_errors_are_listed_and_the_others_counted(producer_api):
    answer = post(producer_api, document(cwe_ids=[1] * 90))
    assert answer.status_code == 422
    assert len(answer.json()["errors"]) == 20
    assert answer.json()["detail"] == "The request is not valid. The first 20 of 90 errors follow."
    [line] = post(producer_api, document(cwe_ids=[1] * 90), "/hitl/patches/bulk").content.splitlines()
    assert len(json.loads(line)["error"]["errors"]) == 20
    assert json.loads(line)["error"]["detail"] == answer.json()["detail"]


def test_a_name_twice_in_many_places_is_listed_twenty_times(producer_api):
    raw = json.dumps(document(created_at=["HERE"])).replace('"HERE"', ",".join(['{"a":1,"a":2}'] * 1_000))
    answer = post(producer_api, raw.encode())
    assert (answer.status_code, len(answer.json()["errors"])) == (422, 20)


def test_each_error_is_short(producer_api):
    answer = post(producer_api, document(phases=[], **{"n" * 100_000: 1}))
    assert answer.status_code == 422
    assert len(answer.content) < 2_000
    deep = document(created_at={"n" * 100_000: nested(41) | {"m" * 50_000: "\x00"}})
    answer = post(producer_api, deep)
    assert answer.status_code == 422
    assert "NUL" in answer.json()["errors"][0]["msg"]
    assert len(answer.content) < 2_000


def test_parameters_of_a_list_that_nobody_knows_are_twenty_errors(producer_api):
    answer = producer_api.client.get("/hitl/patches/pending?" + "&".join(f"p{n}=1" for n in range(900)))
    assert (answer.status_code, len(answer.json()["errors"])) == (422, 20)


def test_a_thousand_parameters_are_422_not_our_defect(producer_api):
    for path in ("/hitl/patches/pending", "/hitl/decisions", "/api/approvals/history", "/hitl/analytics/audit-logs"):
        answer = producer_api.client.get(f"{path}?" + "&".join(["q="] * 1_001))
        assert answer.status_code in {403, 422}, path


@pytest.mark.parametrize(
    ("place", "said"),
    [
        ({"references": [1] * 40_000}, None),
        ({"cve_ids": ["x"] * 40_000}, "at most 100 items"),
        ({"vulnerable_locations": [{}] * 40_000}, "at most 100 items"),
        ({"ml_prediction": {"shap_values": {f"f{n}": "x" for n in range(40_000)}}}, "200 items, not 40,000"),
        ({f"field{n}": 1 for n in range(40_000)}, "fields"),
    ],
)
def test_a_length_is_looked_at_before_the_items(producer_api, place, said):
    answer = post(producer_api, document(**place))
    assert answer.status_code == 422
    errors = answer.json()["errors"]
    assert len(errors) < 5
    assert said is None or any(said in error["msg"] for error in errors), errors


def test_a_gate_with_too_many_names_has_one_error(producer_api):
    answer = post(producer_api, gate_request(allowed_approvers=[1] * 40_000), "/api/approvals")
    assert (answer.status_code, len(answer.json()["errors"])) == (422, 1)


def test_an_object_with_many_unknown_fields_is_refused_whole(producer_api):
    answer = post(producer_api, document(ml_prediction={f"f{n}": 1 for n in range(100)}))
    [error] = answer.json()["errors"]
    assert error["loc"] == ["body", "ml_prediction"]
    assert error["msg"] == f"has 100 fields, of which at most {len(schemas.MlPrediction.model_fields)} are known"


def lines_of(api, *bodies):
    raw = b"\n".join(json.dumps(body).encode() for body in bodies)
    return [json.loads(line) for line in post(api, raw, "/hitl/patches/bulk").content.splitlines()]


def numbered(number: int, **more):
    return document(patch_id=f"P-{number}", cve_id=f"CVE-2024-{number:04}", **more)


def test_lines_beyond_the_work_of_one_request_are_to_be_sent_again(producer_api, monkeypatch):
    monkeypatch.setattr(bulk, "MAX_VALUES", 60)
    bodies = [numbered(number, created_at=[0] * 40) for number in range(1, 5)]
    found = lines_of(producer_api, *bodies)
    assert [line["status"] for line in found] == [201, 201, 429, 429]
    assert found[2]["error"]["retry_after"] == 1
    assert [line["status"] for line in lines_of(producer_api, *bodies[2:])] == [201, 201]
    assert Patch.objects.count() == 4


def test_time_bounds_the_lines_too_and_the_first_is_always_taken(producer_api, monkeypatch):
    monkeypatch.setattr(bulk, "MAX_SECONDS", 0)
    assert [line["status"] for line in lines_of(producer_api, numbered(1), numbered(2))] == [201, 429]
    assert [line["status"] for line in lines_of(producer_api, numbered(2))] == [201]


def test_a_thousand_plain_lines_are_one_request(producer_api, monkeypatch):
    monkeypatch.setattr(bulk, "MAX_SECONDS", 600)  # a machine may be slow
    found = lines_of(producer_api, *[numbered(number) for number in range(1_000)])
    assert {line["status"] for line in found} == {201}
