"""GET /hitl/analytics/audit-logs: the reference API's fields, filters, newest first, by pages."""

import json
from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest
from django.utils import timezone
from pydantic_core import to_json

from approvals.api.answers import AuditEntry
from approvals.models import Verdict
from approvals.services.dispatch import dispatch
from audit.models import Entry
from audit.queries import row
from tests.cast import Api

pytestmark = pytest.mark.django_db
LOGS = "/hitl/analytics/audit-logs"


@pytest.fixture
def auditor_api(token_for) -> Api:
    return Api(token_for("auditor", "audit"))


def test_an_entry_has_s1s_fields_and_its_place(auditor_api, make_patch, approve, api_of, alice):
    decision = make_patch()
    body = {"decision_id": str(decision.decision_id), "patch_sha256": decision.patch.sha256}
    api_of(alice).client.post(
        f"/hitl/patches/{decision.patch.patch_id}/approve",
        body,
        content_type="application/json",
        headers={"User-Agent": "curl/8"},
    )
    entry = auditor_api.get(LOGS, action="decision.approved").json()[0]
    assert set(entry) >= {
        "log_id",
        "decision_id",
        "action",
        "performed_by",
        "timestamp",
        "details",
        "ip_address",
        "user_agent",
        "seq",
        "leaf_hash",
    }
    assert (entry["action"], entry["performed_by"]) == ("decision.approved", "alice")
    assert (entry["decision_id"], entry["ip_address"], entry["user_agent"]) == (
        str(decision.decision_id),
        "127.0.0.1",
        "curl/8",
    )
    assert (entry["seq"], entry["leaf_hash"]) == (None, None)
    dispatch()
    placed = auditor_api.get(LOGS, action="decision.approved").json()[0]
    assert placed["seq"] is not None
    assert len(placed["leaf_hash"]) == 64
    assert placed["log_id"] == entry["log_id"]


def test_each_entry_is_what_its_shape_says(auditor_api, make_patch, approve, alice):
    """The answer is written without its shape; each entry beside the one that the shape writes of the model."""
    approve(make_patch(), alice)
    dispatch()
    approve(make_patch(), alice, Verdict.REJECT)
    Entry.objects.create(**bare_entry())
    answer = auditor_api.get(LOGS)
    shaped = [AuditEntry.model_validate(row(entry)) for entry in Entry.objects.order_by("-pk")]
    assert answer.json() == json.loads(to_json([one.model_dump() for one in shaped]))
    assert {one["seq"] is None for one in answer.json()} == {True, False}
    assert all(list(one) == list(AuditEntry.model_fields) for one in answer.json())


def bare_entry() -> dict[str, Any]:
    """Return an entry without a context, and with what no text in PostgreSQL holds."""
    body = {"actor": {"id": "timer", "kind": "timer", "authn": ""}, "patch": None, "policy": None, "request": None}
    place = {"object_type": "log", "object_id": "", "actor_id": "timer", "actor_kind": "timer"}
    content = json.dumps(body | {"data": {"path": "a\0b", "aside": {"sha256": "0"}}}).encode()
    return {"uuid": uuid4(), "type": "log.exported", "at": timezone.now(), "body": content, **place}


def test_free_text_is_not_in_the_log(auditor_api, make_patch, approve, alice):
    approve(make_patch(), alice, text="unmistakable words")
    answer = auditor_api.get(LOGS)
    assert b"unmistakable" not in answer.content


def test_filters(auditor_api, make_patch, approve, alice, bob):
    one, two = make_patch(patch_id="one", decision_id="alias-1"), make_patch(patch_id="two")
    approve(one, alice)
    approve(two, bob)

    def found(**filters) -> list[tuple[str, str]]:
        answer = auditor_api.get(LOGS, **filters)
        assert answer.status_code == 200, answer.content
        return [(row["action"], row["decision_id"]) for row in answer.json()]

    ours = [(kind, str(one.decision_id)) for kind in ("decision.approved", "review.recorded", "patch.submitted")]
    for filters in (
        {"decision_id": str(one.decision_id)},
        {"decision_id": str(one.decision_id).upper()},
        {"decision_id": "alias-1"},
        {"patch_id": "one"},
        {"patch_id": "one", "decision_id": "alias-1"},
    ):
        assert found(**filters) == ours, filters
    assert found(patch_id="one", decision_id=str(two.decision_id)) == []
    assert found(decision_id="nothing") == found(patch_id="nothing") == []
    assert {kind for kind, _ in found(actor="alice")} == {"decision.approved", "review.recorded"}
    assert found(actor=f"user:{alice.pk}") == found(actor="ALICE")
    assert [kind for kind, _ in found(action="decision.approved")] == ["decision.approved"] * 2
    future = (timezone.now() + timedelta(hours=1)).isoformat()
    assert found(since=future) == []
    assert len(found(until=future)) == len(found())


def test_pages_go_on_where_the_last_row_stood(auditor_api, make_patch):
    for _ in range(5):
        make_patch()
    whole = auditor_api.get(LOGS).json()
    first = auditor_api.get(LOGS, limit=3).json()
    rest = auditor_api.get(LOGS, cursor=first[-1]["cursor"]).json()
    assert first + rest == whole
    link = auditor_api.get(LOGS, limit=3, action="patch.submitted")["Link"]
    assert link.endswith('>; rel="next"')
    followed = auditor_api.client.get(link[1 : link.index(">")])
    assert followed.json() == auditor_api.get(LOGS, action="patch.submitted").json()[3:]
    assert "Link" not in followed
    assert "Link" not in auditor_api.get(LOGS, limit=5, action="patch.submitted")
    assert [row["timestamp"] for row in whole] == sorted((row["timestamp"] for row in whole), reverse=True)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("limit", "0"),
        ("limit", "1001"),
        ("cursor", "x"),
        ("cursor", "-1"),
        ("cursor", "²"),
        ("cursor", "9" * 40),
        ("since", "2026-01-01T00:00:00"),
        ("until", "soon"),
        ("actr", "alice"),
    ],
)
def test_a_wrong_parameter_is_422_by_its_name(auditor_api, name, value):
    answer = auditor_api.get(LOGS, **{name: value})
    assert (answer.status_code, answer.json()["errors"][0]["loc"]) == (422, ["query", name])


def test_a_hundred_entries_cost_no_more_queries_than_one(auditor_api, make_patch, django_assert_max_num_queries):
    for _ in range(10):
        make_patch()
    with django_assert_max_num_queries(3):
        auditor_api.get(LOGS)
