"""One patch, its revisions and its bytes; one decision; who may read what."""

import base64
import hashlib
from typing import Any
from uuid import UUID

import pytest

from approvals.models import Verdict
from approvals.services.dispatch import dispatch
from tests.approvals.api.test_intake import FULL
from tests.cast import DIFF, Api, document

pytestmark = pytest.mark.django_db

ODD_BYTES = b"From 0123\r\n--- a/x\n+++ b/x\n@@ -1 +1 @@\n-\xff\x00\x1b[0m\n+\xfe\r\n\\ No newline"


def push(api, **changes) -> dict[str, Any]:
    answer = api.post("/hitl/patches", document(**changes))
    assert answer.status_code == 201, answer.content
    pushed: dict[str, Any] = answer.json()
    return pushed


def push_bytes(api, raw: bytes, **changes) -> dict[str, Any]:
    return push(api, diff=None, diff_base64=base64.b64encode(raw).decode(), **changes)


def test_the_newest_revision_is_shown_with_the_list_of_all(producer_api):
    old, new = push(producer_api), push(producer_api, title="other")
    body = producer_api.get("/hitl/patches/PATCH-0001").json()
    assert (body["decision_id"], body["revision"]) == (new["decision_id"], 2)
    assert [row["revision"] for row in body["revisions"]] == [2, 1]
    assert [row["status"] for row in body["revisions"]] == ["pending", "superseded"]
    assert body["revisions"][1]["decision_id"] == old["decision_id"]
    assert "diff" not in body


def test_an_older_revision_is_read_by_its_number(producer_api):
    old = push(producer_api)
    push(producer_api, title="other")
    body = producer_api.get("/hitl/patches/PATCH-0001", revision=1).json()
    assert (body["decision_id"], body["status"]) == (old["decision_id"], "superseded")


@pytest.mark.parametrize("parameters", [{"revision": 2}, {"revision": 0}, {"revision": 10**12}, {"producer": "nobody"}])
def test_a_revision_or_producer_that_is_not_there_is_404(producer_api, parameters):
    push(producer_api)
    assert producer_api.get("/hitl/patches/PATCH-0001", **parameters).status_code == 404
    assert producer_api.get("/hitl/patches/PATCH-0001/diff", **parameters).status_code == 404


@pytest.mark.parametrize(
    "path", ["/hitl/patches/none", "/hitl/patches/none/diff", "/hitl/decisions/none", f"/hitl/decisions/{UUID(int=7)}"]
)
def test_what_is_not_there_is_404(producer_api, path):
    answer = producer_api.get(path)
    assert (answer.status_code, answer["Content-Type"]) == (404, "application/problem+json")


def test_a_producer_addresses_its_own_patch(producer_api, token_for):
    other = Api(token_for("producer", "othergen"))
    mine, theirs = push(producer_api), push(other, title="theirs")
    assert producer_api.get("/hitl/patches/PATCH-0001").json()["decision_id"] == mine["decision_id"]
    assert other.get("/hitl/patches/PATCH-0001").json()["decision_id"] == theirs["decision_id"]


def test_anybody_else_is_told_which_two_producers_use_the_id(producer_api, deployer_api, token_for):
    other = Api(token_for("producer", "othergen"))
    mine, theirs = push(producer_api), push(other)
    answer = deployer_api.get("/hitl/patches/PATCH-0001")
    assert answer.status_code == 409
    for part in (mine["decision_id"], theirs["decision_id"], "patchgen", "othergen", "?producer="):
        assert part in answer.json()["detail"]
    assert deployer_api.get("/hitl/patches/PATCH-0001/diff").status_code == 409
    named = deployer_api.get("/hitl/patches/PATCH-0001", producer="othergen").json()
    assert (named["decision_id"], named["producer"]) == (theirs["decision_id"], "othergen")


@pytest.mark.parametrize(
    ("raw", "charset"),
    [
        (ODD_BYTES, "unknown-8bit"),
        (DIFF.encode(), "utf-8"),
        (b"\n", "utf-8"),
        (b"no patch at all", "utf-8"),
        ("é\r\n".encode("latin-1"), "unknown-8bit"),
    ],
)
def test_the_diff_comes_back_byte_for_byte(producer_api, raw, charset):
    push_bytes(producer_api, raw)
    answer = producer_api.get("/hitl/patches/PATCH-0001/diff")
    assert answer.content == raw
    assert answer["Content-Type"] == f"text/x-diff; charset={charset}"
    assert answer["X-Content-Type-Options"] == "nosniff"
    assert answer["Content-Disposition"].startswith("attachment")


def test_the_digest_is_that_of_the_bytes_served(producer_api):
    pushed = push_bytes(producer_api, ODD_BYTES)
    assert (
        hashlib.sha256(producer_api.get("/hitl/patches/PATCH-0001/diff").content).hexdigest() == pushed["patch_sha256"]
    )


def test_each_revision_keeps_its_own_bytes(producer_api):
    push_bytes(producer_api, b"one")
    push_bytes(producer_api, b"two")
    assert producer_api.get("/hitl/patches/PATCH-0001/diff", revision=1).content == b"one"
    assert producer_api.get("/hitl/patches/PATCH-0001/diff").content == b"two"


def test_the_bytes_of_another_producer_are_not_a_producers_to_see(producer_api, token_for):
    push(producer_api)
    other = Api(token_for("producer", "othergen"))
    answer = other.get("/hitl/patches/PATCH-0001/diff", producer="patchgen")
    assert (answer.status_code, answer["Content-Type"]) == (403, "application/problem+json")


def test_reasons_go_to_the_producer_to_people_and_to_diffs_read(
    producer_api, deployer_api, api_of, make_patch, approve, alice, token_for
):
    decision = make_patch(patch_id="P")
    approve(decision, alice, Verdict.REJECT, text="It misses the second call site.", category="incomplete")
    path = f"/hitl/decisions/{decision.decision_id}"
    for api in (producer_api, deployer_api, api_of(alice)):
        body = api.get(path).json()
        assert body["reason"] == "It misses the second call site."
        assert body["reviews"][0]["text"] == "It misses the second call site."
    body = Api(token_for("producer", "othergen")).get(path).json()
    assert (body["reason"], body["reviews"], body["decided_by"]) == (None, None, None)
    assert (body["status"], body["category"], body["decided_by_kind"]) == ("rejected", "incomplete", "human")


def test_everything_that_was_sent_but_the_diff_is_read_back(producer_api):
    pushed = producer_api.post("/hitl/patches", FULL).json()
    for path in ("/hitl/patches/PATCH-0001", f"/hitl/decisions/{pushed['decision_id']}"):
        body = producer_api.get(path).json()
        cves = {"cve_ids": ["CVE-2024-9999", "cve-2024-9998"]}
        assert body["patch_metadata"] == FULL["patch_metadata"] | cves
        assert body["ml_prediction"] == FULL["ml_prediction"]
        shown, sent = body["wargaming_result"], FULL["wargaming_result"]
        assert {name: shown[name] for name in sent if name != "phases"} == {
            name: sent[name] for name in sent if name != "phases"
        }
        assert sent["phases"][0].items() <= shown["phases"][0].items()
        assert (body["requested_priority"], body["requires_manual_review"]) == ("critical", True)
        assert body["manual_review_reason"] == "touches the login"
        assert "diff" not in body


def test_what_was_not_sent_is_null(producer_api):
    body = producer_api.get(f"/hitl/decisions/{push(producer_api)['decision_id']}").json()
    assert (body["requested_priority"], body["requires_manual_review"], body["manual_review_reason"]) == (
        None,
        False,
        None,
    )
    assert body["comments"] == []


def test_logs_are_not_another_producers_to_see(producer_api, deployer_api, api_of, alice, token_for):
    path = f"/hitl/decisions/{producer_api.post('/hitl/patches', FULL).json()['decision_id']}"
    for api in (producer_api, Api(token_for("auditor", "audit")), api_of(alice)):
        assert api.get(path).json()["wargaming_result"]["log"] == "exploit refused"
    deployed = deployer_api.get(path).json()["wargaming_result"]
    assert (deployed["log"], deployed["phase2_success"]) == (None, True)
    body = Api(token_for("producer", "othergen")).get(path).json()
    assert (body["wargaming_result"]["log"], body["manual_review_reason"]) == (None, None)
    assert body["wargaming_result"]["verdict"] == "passed"


def test_the_discussion_is_read_back_by_those_who_may_read_words(producer_api, api_of, make_patch, alice, token_for):
    decision = make_patch(patch_id="P")
    body = {"decision_id": str(decision.decision_id), "comment": "Look here.", "file": "app.py", "line": 2}
    assert api_of(alice).post("/hitl/patches/P/comment", body).status_code == 201
    scanner = Api(token_for("deployer", "scanner", scopes=["decisions:read", "diffs:read", "comments:write"]))
    scanner.post("/hitl/patches/P/comment", {"decision_id": str(decision.decision_id), "comment": "Found nothing."})
    path = f"/hitl/decisions/{decision.decision_id}"
    for api in (producer_api, api_of(alice)):
        one, two = api.get(path).json()["comments"]
        assert (one["author"], one["file"], one["line"], one["text"]) == ("alice", "app.py", 2, "Look here.")
        assert (two["author"], two["file"], two["line"], two["text"]) == ("scanner", None, None, "Found nothing.")
        assert one["created_at"] <= two["created_at"]
    for api in (scanner, Api(token_for("producer", "othergen"))):
        assert api.get(path).json()["comments"] is None


def test_a_comment_given_with_an_approval_is_read_back(producer_api, make_patch, approve, alice):
    decision = make_patch()
    approve(decision, alice, text="Checked on staging.")
    assert producer_api.get(f"/hitl/decisions/{decision.decision_id}").json()["comment"] == "Checked on staging."


def test_a_decision_is_read_by_our_id_in_any_spelling_and_by_its_alias(producer_api):
    ours = push(producer_api, decision_id="S1-id.1")["decision_id"]
    for name in (ours, ours.upper(), ours.replace("-", ""), "S1-id.1"):
        assert producer_api.get(f"/hitl/decisions/{name}").json()["decision_id"] == ours


def test_s1s_fields_are_all_in_the_record(producer_api):
    record = producer_api.get(f"/hitl/decisions/{push(producer_api)['decision_id']}").json()
    assert set(record) >= {
        "decision_id",
        "patch_id",
        "patch_metadata",
        "ml_prediction",
        "wargaming_result",
        "decision",
        "decided_by",
        "decided_at",
        "priority",
        "comment",
        "reason",
        "created_at",
        "updated_at",
        "requires_escalation",
        "auto_approval_eligible",
        "ml_wargaming_agreement",
        "reviews",
        "trace",
        "revocation",
    }
    assert record["decision"] == "pending"


@pytest.mark.parametrize("path", ["/hitl/decisions/a%00b", "/hitl/patches/a%00b", "/hitl/patches/a%00b/diff"])
def test_a_nul_in_a_path_is_404(producer_api, path):
    answer = producer_api.client.get(path)
    assert (answer.status_code, answer["Content-Type"]) == (404, "application/problem+json")


def test_a_nul_in_a_parameter_is_422(producer_api):
    push(producer_api)
    assert producer_api.client.get("/hitl/patches/PATCH-0001?producer=%00").status_code == 422


def test_reading_a_decision_costs_a_few_queries_whatever_was_said(
    producer_api, api_of, make_patch, approve, alice, bob, django_assert_max_num_queries
):
    decision = make_patch(severity="critical")
    path = f"/hitl/decisions/{decision.decision_id}"
    producer_api.get(path)  # what its policy says is read once a process
    with django_assert_max_num_queries(6):
        producer_api.get(path)
    for user in (alice, bob):
        approve(decision, user, text="one")
        said = {"decision_id": str(decision.decision_id), "comment": "Look here."}
        api_of(user).post(f"/hitl/patches/{decision.patch.patch_id}/comment", said)
    with django_assert_max_num_queries(6):
        body = producer_api.get(path).json()
    assert (len(body["reviews"]), len(body["comments"])) == (2, 2)


def test_no_list_loads_a_log(producer_api, make_patch, approve, alice, django_assert_max_num_queries):
    """A log may have 1 MiB: a list of a hundred would be as heavy as all its diffs."""
    approve(make_patch(patch_id="P"), alice)
    dispatch()
    for path, ours in (("/hitl/decisions", 0), ("/hitl/patches/P", 1)):
        with django_assert_max_num_queries(7) as queries:
            assert producer_api.get(path).status_code == 200
        assert len([query for query in queries.captured_queries if "wargaming_log" in query["sql"]]) == ours
