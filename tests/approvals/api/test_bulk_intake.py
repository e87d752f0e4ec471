"""POST /hitl/patches/bulk: NDJSON in, one answer a line in order; a bad line harms no other."""

import json
from typing import Any

import pytest
from django.db import DataError, OperationalError

from approvals.api import bulk
from approvals.api.caller import Bucket
from approvals.models import Decision, Patch
from approvals.services import intake
from tests.cast import document

pytestmark = pytest.mark.django_db


def ndjson(*lines) -> bytes:
    return b"".join((line if isinstance(line, bytes) else json.dumps(line).encode()) + b"\n" for line in lines)


def post(api, body: bytes, content_type: str = "application/x-ndjson"):
    return api.client.generic("POST", "/hitl/patches/bulk", body, content_type=content_type)


def answers(response) -> list[dict[str, Any]]:
    assert response.status_code == 200, response.content[:300]
    assert response["Content-Type"] == "application/x-ndjson"
    return [json.loads(line) for line in response.content.splitlines()]


def numbered(number: int, **more) -> dict[str, Any]:
    return document(patch_id=f"P-{number}", cve_id=f"CVE-2024-{number:04}", **more)


def test_each_line_is_answered_in_order(producer_api):
    found = answers(post(producer_api, ndjson(*[numbered(number) for number in range(250)])))
    assert [line["line"] for line in found] == list(range(1, 251))
    assert {line["status"] for line in found} == {201}
    stored = {str(d.decision_id): d.patch.patch_id for d in Decision.objects.select_related("patch")}
    assert [stored[line["decision_id"]] for line in found] == [f"P-{number}" for number in range(250)]


def test_a_bad_line_harms_no_other(producer_api):
    unknown = numbered(3) | {"surprise": 1}
    lines = [numbered(1), b"{not json", unknown, b"[]", b"5", b'"x"', b"null", b"", b"\xff", numbered(2)]
    found = answers(post(producer_api, ndjson(*lines)))
    assert [line["status"] for line in found] == [201, 400, 422, 422, 422, 422, 422, 400, 400, 201]
    assert found[2]["error"]["errors"] == [{"loc": ["body", "surprise"], "msg": "Extra inputs are not permitted"}]
    assert all("decision_id" in line or line["error"]["detail"] for line in found)
    assert Patch.objects.count() == 2


def test_a_line_nested_too_deeply_is_a_bad_line(producer_api):
    found = answers(post(producer_api, ndjson(b"[" * 100_000, numbered(1))))
    assert [line["status"] for line in found] == [400, 201]


@pytest.mark.parametrize(
    "line",
    [
        b"{not json",
        b"\xff",
        b"[]",
        b"5",
        json.dumps(document(surprise=1)).encode(),
        json.dumps(document(severity="none", cvss_score="9")).encode(),
        json.dumps(document(wargaming_result={"phase1_success": 1})).encode(),
        json.dumps(document(diff="x", diff_base64="eA==")).encode(),
        json.dumps(document(title="nul \x00")).encode(),
        json.dumps(document())
        .replace('"title', '"diff": "y", "title')
        .replace('"diff":', '"diff": "x", "diff":')
        .encode(),
        json.dumps(document(decision_id="taken")).encode(),
    ],
)
def test_a_bad_line_is_answered_as_it_would_be_alone(producer_api, make_patch, line):
    make_patch(patch_id="other", decision_id="taken")
    alone = producer_api.client.generic("POST", "/hitl/patches", line, content_type="application/json")
    assert alone.status_code in {400, 422}
    [found] = answers(post(producer_api, line))
    assert found["status"] == alone.status_code
    assert found["error"].get("errors") == alone.json().get("errors")
    assert found["error"]["title"] == alone.json()["title"]


def test_a_line_says_when_to_come_back(producer_api, monkeypatch):
    monkeypatch.setattr(intake, "REVISIONS_A_DAY", 1)
    found = answers(post(producer_api, ndjson(document(title="1"), document(title="2"), numbered(2))))
    assert [line["status"] for line in found] == [201, 429, 201]
    assert found[1]["error"]["retry_after"] > 0


def test_the_last_line_needs_no_line_break(producer_api):
    assert len(answers(post(producer_api, ndjson(numbered(1), numbered(2))[:-1]))) == 2


def test_lines_may_end_in_crlf(producer_api):
    body = ndjson(numbered(1), numbered(2)).replace(b"\n", b"\r\n")
    assert [line["status"] for line in answers(post(producer_api, body))] == [201, 201]


def test_a_patch_id_that_repeats_within_one_body_becomes_revisions(producer_api):
    lines = [document(title="1"), numbered(2), document(title="2"), document(title="1"), document(title="2")]
    found = answers(post(producer_api, ndjson(*lines)))
    assert [line["status"] for line in found] == [201, 201, 201, 200, 200]
    assert [line["revision"] for line in found] == [1, 1, 2, 1, 2]
    assert found[3]["decision_id"] == found[0]["decision_id"]


def test_an_alias_used_twice_within_one_body_is_given_once(producer_api):
    found = answers(post(producer_api, ndjson(numbered(1, decision_id="a"), numbered(2, decision_id="a"), numbered(3))))
    assert [line["status"] for line in found] == [201, 422, 201]


def test_two_candidates_for_one_cve_in_one_body_see_each_other(producer_api):
    """As if they had come one by one: the second knows that the first waits, and how severe it is."""
    first = document(patch_id="one", severity="critical")
    second = document(patch_id="two", severity="low")
    answers(post(producer_api, ndjson(first, second)))
    rows = {d.patch.patch_id: d for d in Decision.objects.select_related("patch")}
    waits = {
        name: [row["value"] for row in decision.trace if row["text"] == "No other candidate for the CVE waits"]
        for name, decision in rows.items()
    }
    assert waits == {"one": ["0 waiting"], "two": ["1 waiting"]}
    assert rows["two"].patch.effective_severity == "critical"


def test_a_thousand_lines_are_the_limit(producer_api):
    answer = post(producer_api, b"{}\n" * 1001)
    assert answer.status_code == 422
    assert "1,001" in answer.json()["detail"]
    assert len(answers(post(producer_api, b"{}\n" * 1000))) == 1000


@pytest.mark.parametrize("body", [b"", b"\n" * 0])
def test_an_empty_body_is_refused(producer_api, body):
    assert post(producer_api, body).status_code in {415, 422}


def test_the_limits_in_bytes_are_413(producer_api, monkeypatch):
    monkeypatch.setattr(bulk, "MAX_BYTES", 200_000)
    monkeypatch.setattr(bulk, "MAX_LINE", 100_000)
    assert post(producer_api, (b"x" * 90_000 + b"\n") * 3).status_code == 413
    assert post(producer_api, b"x" * 200_001).status_code == 413
    assert post(producer_api, (b"x" * 90_000 + b"\n") * 2).status_code == 200


def test_a_line_above_the_limit_harms_no_other(producer_api, monkeypatch):
    monkeypatch.setattr(bulk, "MAX_LINE", 100_000)
    fits = json.dumps(numbered(2)).encode()
    fits += b" " * (100_000 - len(fits))
    lines = [numbered(1), b"x" * 100_001, fits, b"x" * 350_000, fits + b" ", numbered(3), b"x" * 100_001]
    for body in (ndjson(*lines), ndjson(*lines)[:-1]):
        found = answers(post(producer_api, body))
        assert [line["line"] for line in found] == list(range(1, 8))
        taken = found[0]["status"]
        assert [line["status"] for line in found] == [taken, 413, taken, 413, 413, taken, 413]
        assert "A line may have" in found[1]["error"]["detail"]
    assert Patch.objects.count() == 3


def test_a_body_above_what_is_kept_in_memory_is_read_the_same(producer_api, monkeypatch):
    monkeypatch.setattr(bulk, "SPOOL", 1_000)
    found = answers(post(producer_api, ndjson(*[numbered(number, description="x" * 5_000) for number in range(40)])))
    assert [line["status"] for line in found] == [201] * 40


def test_one_line_may_be_as_large_as_a_single_body(producer_api):
    large = numbered(1, diff="--- a/x\n+++ b/x\n@@ -1 +1 @@\n-a\n+" + "x" * 1_000_000)
    assert answers(post(producer_api, ndjson(large)))[0]["status"] == 201


def test_only_producers_send_in_bulk(deployer_api, api_of, alice):
    for api in (deployer_api, api_of(alice)):
        assert post(api, ndjson(numbered(1))).status_code == 403


def test_bulk_is_ndjson(producer_api):
    assert post(producer_api, ndjson(numbered(1)), "application/json").status_code == 415


def test_bulk_lines_have_a_rate_of_their_own(producer_api, monkeypatch):
    monkeypatch.setattr(bulk, "bulk_lines", Bucket(60))
    post(producer_api, b"{}\n" * 60)
    answer = post(producer_api, b"{}\n" * 30)
    assert answer.status_code == 429
    assert 28 <= int(answer["Retry-After"]) <= 30


def test_a_bulk_of_one_cve_asks_the_database_no_more_than_ten_lines_of_it(producer_api, django_assert_max_num_queries):
    with django_assert_max_num_queries(120):  # one entry each, everything else once a set
        post(producer_api, ndjson(*[numbered(number) for number in range(100)]))


def test_a_database_that_goes_away_in_the_middle_leaves_every_line_answered(producer_api, monkeypatch):
    """Earlier sets are committed: an answer for all lines that says 'failed' would be wrong for them."""
    take, calls = bulk.submit_all, []

    def sometimes(submissions, **more):
        calls.append(len(submissions))
        if len(calls) == 2:
            raise OperationalError("server closed the connection")
        return take(submissions, **more)

    monkeypatch.setattr(bulk, "submit_all", sometimes)
    found = answers(post(producer_api, ndjson(*[numbered(number) for number in range(250)])))
    assert [line["status"] for line in found] == [201] * 100 + [503] * 100 + [201] * 50
    assert "server closed" not in json.dumps(found)
    again = answers(post(producer_api, ndjson(*[numbered(number) for number in range(250)])))
    assert [line["status"] for line in again] == [200] * 100 + [201] * 100 + [200] * 50


def test_a_line_that_the_database_refuses_harms_no_other_of_its_set(producer_api, monkeypatch):
    take = bulk.submit_all

    def picky(submissions, **more):
        if any(submission.patch_id == "P-2" for submission in submissions):
            raise DataError("value too long: hunter2")
        return take(submissions, **more)

    monkeypatch.setattr(bulk, "submit_all", picky)
    found = answers(post(producer_api, ndjson(*[numbered(number) for number in range(5)])))
    assert [line["status"] for line in found] == [201, 201, 500, 201, 201]
    assert "hunter2" not in json.dumps(found)
