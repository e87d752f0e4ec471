"""The contract as a file: what is committed is what the code says, and what it says is what is sent."""

import json
import re
from collections.abc import Iterator
from functools import cache
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.core.management import call_command
from jsonschema import Draft202012Validator, FormatChecker
from pydantic import BaseModel

from approvals.api import answers
from approvals.models import Verdict
from approvals.policy.visible_fields import OPENED, Reader, sees
from approvals.services.dispatch import dispatch
from tests.approvals.api.test_intake import FULL
from tests.cast import Api, document, gate_request

COMMITTED = Path(__file__).resolve().parents[3] / "docs" / "openapi.json"


@cache
def exported() -> dict[str, Any]:
    out = StringIO()
    call_command("export_openapi_schema", api="hitl.api.api", indent=2, sorted=True, stdout=out)
    description: dict[str, Any] = json.loads(out.getvalue())
    return description


def test_the_committed_contract_is_what_the_code_says():
    """To write it: manage.py export_openapi_schema --api hitl.api.api --indent 2 --sorted --output FILE"""
    assert json.loads(COMMITTED.read_text("utf-8")) == exported()


def operations() -> Iterator[tuple[str, str, dict[str, Any]]]:
    for path, methods in exported()["paths"].items():
        for method, operation in methods.items():
            yield method, path, operation


def operation_of(method: str, path: str) -> dict[str, Any]:
    found: dict[str, Any] = exported()["paths"][path][method]
    return found


def resolved(part: dict[str, Any]) -> dict[str, Any]:
    """Return a part of the description, or what its reference points to."""
    place = exported()
    for name in part.get("$ref", "#").split("/")[1:]:
        place = place[name]
    return place if "$ref" in part else part


def test_every_operation_says_what_it_does_and_who_may_call():
    assert exported()["openapi"].startswith("3.1")
    schemes = exported()["components"]["securitySchemes"]
    assert set(schemes) == {"bearer", "session", "csrf", "admin_token", "github_signature"}
    assert operation_of("post", "/hitl/adapters/github")["security"] == [{"github_signature": []}]
    assert (schemes["admin_token"]["in"], schemes["admin_token"]["name"]) == ("header", "X-Admin-Token")
    assert (schemes["csrf"]["in"], schemes["csrf"]["name"]) == ("header", "X-CSRFToken")
    assert (schemes["session"]["in"], schemes["session"]["name"]) == ("cookie", "sessionid")
    intake = ("/hitl/patches", "/hitl/patches/bulk", "/hitl/admin/create-decision", "/hitl/adapters/sarif")
    producers = {("post", path) for path in (*intake, "/api/approvals")}
    for method, path, operation in operations():
        assert operation["summary"], (method, path)
        ways = operation["security"]
        if path == "/hitl/adapters/github":
            continue
        assert {"bearer": []} in ways
        assert ({"admin_token": []} in ways) == (path == "/hitl/admin/create-decision")
        assert any("session" in way for way in ways) == ((method, path) not in producers)
        assert all(("csrf" in way) == (method == "post") for way in ways if "session" in way)


def test_every_operation_says_how_it_refuses_in_problem_json():
    for method, path, operation in operations():
        refusals = {int(code): answer for code, answer in operation["responses"].items() if int(code) >= 400}
        wanted = {401, 403, 422, 429, 503}
        wanted |= {413, 415} if method == "post" else set()
        wanted |= {400} if method == "post" and path != "/hitl/patches/bulk" else set()
        wanted |= {404} if "{" in path else set()
        wanted |= {409} if "{patch_id}" in path or (method == "post" and not path.endswith("/bulk")) else set()
        assert set(refusals) == wanted, (method, path)
        for code, answer in refusals.items():
            said = resolved(answer)
            problem = resolved(said["content"]["application/problem+json"]["schema"])
            assert {"title", "status", "detail", "errors", "current"} <= set(problem["properties"])
            assert ("Retry-After" in said.get("headers", {})) == (code in {429, 503})


def test_every_answer_is_described():
    other = {
        ("get", "/hitl/events"): "text/event-stream",
        ("post", "/hitl/patches/bulk"): "application/x-ndjson",
        ("get", "/hitl/patches/{patch_id}/diff"): "text/x-diff",
    }
    for method, path, operation in operations():
        for code, answer in operation["responses"].items():
            if int(code) < 300:
                [(media, said)] = answer["content"].items()
                assert media == other.get((method, path), "application/json")
                assert resolved(said["schema"]).get("type"), (method, path)
    [media] = operation_of("post", "/hitl/patches/bulk")["requestBody"]["content"]
    assert media == "application/x-ndjson"


@pytest.mark.parametrize(
    ("method", "path", "code", "headers"),
    [
        ("get", "/hitl/patches/pending", "200", {"X-Total-Count", "Link"}),
        ("get", "/hitl/analytics/audit-logs", "200", {"Age", "Link"}),
        ("post", "/hitl/patches", "200", {"Location"}),
        ("post", "/hitl/patches", "201", {"Location"}),
        ("post", "/hitl/admin/create-decision", "200", {"Location"}),
    ],
)
def test_headers_of_answers_are_described(method, path, code, headers):
    found = operation_of(method, path)["responses"][code]["headers"]
    assert set(found) == headers
    assert all(resolved(header)["schema"] for header in found.values())


def test_headers_that_are_read_are_described():
    for method, path, operation in operations():
        named = [resolved(parameter) for parameter in operation["parameters"]]
        found = {parameter["name"] for parameter in named if parameter["in"] == "header"}
        keyed = method == "post" and not path.endswith("/bulk")
        assert found == ({"Idempotency-Key"} if keyed else {"Last-Event-ID"} if path == "/hitl/events" else set())


def test_every_reference_leads_somewhere():
    whole = json.dumps(exported())
    for reference in set(re.findall(r'"\$ref": "([^"]+)"', whole)):
        assert resolved({"$ref": reference}), reference


@pytest.mark.parametrize(
    "path",
    [
        "/hitl/patches",
        "/hitl/patches/pending",
        "/hitl/patches/{patch_id}",
        "/hitl/decisions",
        "/hitl/decisions/{decision_id}",
    ],
)
def test_the_main_answers_are_described_field_by_field(path):
    for operation in exported()["paths"][path].values():
        responses = operation["responses"]
        code = "201" if "201" in responses else "200"
        schema = resolved(responses[code]["content"]["application/json"]["schema"])
        described = resolved(schema.get("items", schema))
        assert "patch_sha256" in described["properties"]
        assert set(described["required"]) == set(described["properties"])
        assert described["additionalProperties"] is False


@pytest.mark.parametrize("path", ["/hitl/patches/{patch_id}", "/hitl/patches/pending", "/hitl/decisions"])
def test_what_somebody_may_not_see_is_described_as_nullable(path):
    answer = resolved(operation_of("get", path)["responses"]["200"]["content"]["application/json"]["schema"])
    for name, field in resolved(answer.get("items", answer))["properties"].items():
        readers = [reader for reader in Reader if sees(reader, name)]
        assert readers, name
        assert len(readers) == len(Reader) or {"type": "null"} in field["anyOf"], name
        objects = [resolved(choice) for choice in field.get("anyOf", [field])] if name in OPENED else [{}]
        for part, described in resolved(objects[0].get("items", objects[0])).get("properties", {}).items():
            seen = [reader for reader in readers if sees(reader, f"{name}.{part}")]
            assert seen, (name, part)
            assert seen == readers or {"type": "null"} in described["anyOf"], (name, part)


def sent(answer: Any) -> None:
    """Assert that an answer is what the description says of its address, with every field and no other."""
    assert answer.status_code < 300, answer.content
    path = "/" + answer.resolver_match.route.partition(")")[2].replace("<", "{").replace(">", "}")
    described = operation_of(answer.request["REQUEST_METHOD"].lower(), path)["responses"][str(answer.status_code)]
    schema = described["content"]["application/json"]["schema"] | {"components": exported()["components"]}
    Draft202012Validator(schema, format_checker=FormatChecker()).validate(answer.json())


@pytest.mark.django_db
@pytest.mark.usefixtures("critical_anywhere")
def test_what_is_sent_is_what_is_described(producer_api, deployer_api, api_of, make_patch, approve, alice, lena):
    sent(producer_api.post("/hitl/patches", FULL))
    sent(producer_api.post("/hitl/admin/create-decision", document(patch_id="least", diff=None)))
    sent(producer_api.get("/hitl/patches/pending"))
    sent(producer_api.get("/hitl/patches/PATCH-0001"))
    decision = make_patch(patch_id="P", severity="low")
    body = {"decision_id": str(decision.decision_id), "patch_sha256": decision.patch.sha256, "reason": "No."}
    person, lead = api_of(alice), api_of(lena)
    approval = {key: value for key, value in body.items() if key != "reason"}
    sent(person.post("/hitl/patches/P/escalate", body))
    sent(person.post("/hitl/patches/P/comment", {**approval, "comment": "Good."}))
    sent(person.post("/hitl/patches/P/approve", approval))
    sent(lead.post("/hitl/patches/P/revoke", body))
    sent(deployer_api.get(f"/hitl/decisions/{decision.decision_id}"))
    rejected, cancelled = make_patch(patch_id="R"), make_patch(patch_id="C")
    for name, item in (("reject", rejected), ("cancel", cancelled)):
        named = {"decision_id": str(item.decision_id), "patch_sha256": item.patch.sha256, "reason": "No."}
        sent(lead.post(f"/hitl/patches/{item.patch.patch_id}/{name}", named))
    item = {"decision_id": str(rejected.decision_id), "patch_sha256": rejected.patch.sha256}
    sent(person.post("/hitl/decisions/bulk", {"items": [item], "verdict": "approve"}))
    twice = make_patch(patch_id="W", severity="critical")
    named = {"decision_id": str(twice.decision_id), "patch_sha256": twice.patch.sha256}
    sent(lead.post("/hitl/patches/W/extend", {**named, "reason": "Wait.", "seconds": 60}))
    sent(person.post("/hitl/patches/W/approve", named))
    sent(person.post("/hitl/patches/W/withdraw", {**named, "reason": "No."}))
    sent(lead.get("/hitl/analytics/summary"))
    sent(lead.get("/hitl/analytics/audit-logs"))
    dispatch()
    sent(lead.get("/hitl/analytics/audit-logs"))
    feed = deployer_api.get("/hitl/decisions")
    assert len(feed.json()) == 4
    sent(feed)
    path = f"/hitl/decisions/{decision.decision_id}"
    sent(deployer_api.post(f"{path}/acknowledge", {"position": feed.json()[0]["position"]}))
    sent(deployer_api.get(path))


@pytest.mark.django_db
def test_what_is_sent_of_gates_is_what_is_described(producer_api, api_of, alice, lena):
    sent(producer_api.post("/api/approvals", gate_request()))
    asked = producer_api.post("/api/approvals", gate_request(context={"image": "shop:7"}))
    sent(asked)
    gate = asked.json()
    act = {"digest": gate["digest"]}
    sent(api_of(alice).post(f"/api/approvals/{gate['id']}/approve", act))
    for name, run in (("reject", "run-2"), ("cancel", "run-3")):
        gate = producer_api.post("/api/approvals", gate_request(execution_id=run)).json()
        act = {"digest": gate["digest"], "reason": "No."}
        sent(api_of(lena).post(f"/api/approvals/{gate['id']}/{name}", act))
    sent(producer_api.get(f"/api/approvals/{gate['id']}"))
    producer_api.post("/api/approvals", gate_request(execution_id="run-4"))
    for path in ("", "/pending", "/history"):
        listed = api_of(alice).get(f"/api/approvals{path}")
        assert listed.json()["approvals"]
        sent(listed)
    sent(api_of(alice).get("/api/approvals/stats"))
    sent(producer_api.get("/api/approvals/stats"))
    sent(producer_api.get(f"/hitl/decisions/{gate['id']}"))
    sent(producer_api.get("/hitl/patches/pending"))


@pytest.mark.django_db
def test_each_line_of_a_bulk_answer_is_what_is_described(producer_api):
    lines = [json.dumps(document()), json.dumps(document(severity="catastrophic")), "{", json.dumps(document())]
    answer = producer_api.client.generic(
        "POST", "/hitl/patches/bulk", "\n".join(lines), content_type="application/x-ndjson"
    )
    found = [answers.BulkLine.model_validate_json(line) for line in answer.content.splitlines()]
    assert [line.status for line in found] == [201, 422, 400, 200]
    for raw, line in zip(answer.content.splitlines(), found, strict=True):
        assert set(json.loads(raw)) <= set(answers.BulkLine.model_fields)
        assert (line.error is None) == (line.status < 300)


@pytest.mark.django_db
def test_refusals_are_what_is_described(producer_api, make_patch, approve, api_of, alice, bob):
    decision = approve(make_patch(patch_id="P"), bob, Verdict.REJECT)
    body = {"decision_id": str(decision.decision_id), "patch_sha256": decision.patch.sha256}
    refusals = [
        Api().get("/hitl/decisions"),
        producer_api.post("/hitl/patches", {}),
        producer_api.get("/hitl/patches/none"),
        producer_api.post("/hitl/patches/P/approve", body),
        api_of(alice).post("/hitl/patches/P/approve", body),
    ]
    assert [answer.status_code for answer in refusals] == [401, 422, 404, 403, 409]
    for answer in refusals:
        problem = answers.Problem.model_validate_json(answer.content)
        assert set(answer.json()) <= set(answers.Problem.model_fields)
        assert (problem.current is not None) == (answer.status_code == 409)


def test_no_two_documents_share_a_name():
    """Ninja describes a class under its name alone, and a second one of that name takes the first one's place."""
    known: dict[str, set[str]] = {}
    ahead: list[type[BaseModel]] = [BaseModel]
    while ahead:
        shape = ahead.pop()
        ahead += shape.__subclasses__()
        if shape.__module__.startswith("approvals.api."):
            known.setdefault(shape.__name__, set()).add(shape.__module__)
    assert {name: modules for name, modules in known.items() if len(modules) > 1} == {}
