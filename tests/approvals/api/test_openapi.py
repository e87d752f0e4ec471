"""The contract as a file: what is committed is what the code says, and what it says is what is sent."""

import json
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.core.management import call_command
from pydantic import TypeAdapter

from approvals.api import answers
from approvals.models import Verdict
from approvals.services.dispatch import dispatch
from tests.approvals.api.test_intake import FULL
from tests.cast import Api, document

COMMITTED = Path(__file__).resolve().parents[3] / "docs" / "openapi.json"


def exported() -> dict[str, Any]:
    out = StringIO()
    call_command("export_openapi_schema", api="hitl.api.api", indent=2, sorted=True, stdout=out)
    description: dict[str, Any] = json.loads(out.getvalue())
    return description


def test_the_committed_contract_is_what_the_code_says():
    """To write it: manage.py export_openapi_schema --api hitl.api.api --indent 2 --sorted --output FILE"""
    assert json.loads(COMMITTED.read_text("utf-8")) == exported()


def test_every_operation_says_what_it_does_and_how_it_refuses():
    description = exported()
    assert description["openapi"].startswith("3.1")
    for path, operations in description["paths"].items():
        for method, operation in operations.items():
            assert operation["summary"], (method, path)
            assert operation["security"], (method, path)


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
        schema = responses[code]["content"]["application/json"]["schema"]
        fields = schema.get("items", schema)["properties"]
        assert "patch_sha256" in fields
        assert "application/problem+json" in responses["422"]["content"]
    assert "$ref" not in json.dumps(schema)


def sent(model: Any, answer: Any) -> None:
    """Assert that an answer is what the description says, with every field and no other."""
    assert answer.status_code < 300, answer.content
    TypeAdapter(model).validate_json(answer.content)


@pytest.mark.django_db
def test_what_is_sent_is_what_is_described(producer_api, deployer_api, api_of, make_patch, approve, alice, lena):
    sent(answers.Intake, producer_api.post("/hitl/patches", FULL))
    sent(answers.Intake, producer_api.post("/hitl/admin/create-decision", document(patch_id="least", diff=None)))
    sent(list[answers.PendingRow], producer_api.get("/hitl/patches/pending"))
    sent(answers.PatchRecord, producer_api.get("/hitl/patches/PATCH-0001"))
    decision = make_patch(patch_id="P", severity="low")
    body = {"decision_id": str(decision.decision_id), "patch_sha256": decision.patch.sha256, "reason": "No."}
    person, lead = api_of(alice), api_of(lena)
    approval = {key: value for key, value in body.items() if key != "reason"}
    sent(answers.Verdict, person.post("/hitl/patches/P/approve", approval))
    sent(answers.Ended, lead.post("/hitl/patches/P/revoke", body))
    sent(answers.Record, deployer_api.get(f"/hitl/decisions/{decision.decision_id}"))
    rejected, cancelled = make_patch(patch_id="R"), make_patch(patch_id="C")
    for name, item, model in (("reject", rejected, answers.Reasoned), ("cancel", cancelled, answers.Ended)):
        named = {"decision_id": str(item.decision_id), "patch_sha256": item.patch.sha256, "reason": "No."}
        sent(model, lead.post(f"/hitl/patches/{item.patch.patch_id}/{name}", named))
    item = {"decision_id": str(rejected.decision_id), "patch_sha256": rejected.patch.sha256}
    sent(list[answers.BulkResult], person.post("/hitl/decisions/bulk", {"items": [item], "verdict": "approve"}))
    dispatch()
    feed = deployer_api.get("/hitl/decisions")
    assert len(feed.json()) == 4
    sent(list[answers.FeedItem], feed)


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
