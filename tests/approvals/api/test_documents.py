"""JSON bodies: in UTF-8, and without a key that stands twice."""

import json

import pytest

from approvals.models import Patch
from tests.cast import document

pytestmark = pytest.mark.django_db


def post(api, raw: bytes, path: str = "/hitl/patches"):
    return api.client.generic("POST", path, raw, content_type="application/json")


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-32", "latin-1"])
def test_a_body_in_another_encoding_is_400(producer_api, encoding):
    raw = json.dumps(document(title="Fünf"), ensure_ascii=False).encode(encoding)
    answer = post(producer_api, raw)
    assert (answer.status_code, answer["Content-Type"]) == (400, "application/problem+json")
    assert "UTF-8" in answer.json()["detail"]


def test_a_surrogate_in_bytes_is_not_utf_8(producer_api):
    raw = json.dumps(document(title="here")).encode().replace(b"here", b"\xed\xa0\x80")
    assert post(producer_api, raw).status_code == 400


def test_utf_8_is_taken_with_or_without_a_byte_order_mark(producer_api):
    raw = json.dumps(document(title="Fünf"), ensure_ascii=False).encode()
    assert post(producer_api, raw).status_code == 201
    assert post(producer_api, b"\xef\xbb\xbf" + raw).status_code == 200
    assert Patch.objects.get().title == "Fünf"


@pytest.mark.parametrize(
    ("before", "after", "loc"),
    [
        ('"patch_id":', '"patch_id": "OTHER", "patch_id":', ["body", "patch_id"]),
        ('"severity":', '"severity": "low", "severity":', ["body", "patch_metadata", "severity"]),
        ('"start":', '"start": 1, "start":', ["body", "patch_metadata", "vulnerable_locations", 0, "start"]),
    ],
)
def test_a_key_that_stands_twice_is_422_by_its_name(producer_api, before, after, loc):
    raw = json.dumps(document(vulnerable_locations=[{"file": "a.py", "start": 1}])).replace(before, after)
    answer = post(producer_api, raw.encode())
    assert (answer.status_code, answer["Content-Type"]) == (422, "application/problem+json")
    assert answer.json()["errors"] == [{"loc": loc, "msg": "is given twice"}]
    assert not Patch.objects.exists()


def test_an_act_takes_no_key_twice_either(api_of, make_patch, alice):
    decision = make_patch(patch_id="P")
    item = f'"decision_id": "{decision.decision_id}", "patch_sha256": "{decision.patch.sha256}"'
    answer = post(
        api_of(alice), f'{{{item}, "comment": "Good.", "comment": "Bad."}}'.encode(), "/hitl/patches/P/approve"
    )
    assert (answer.status_code, answer.json()["errors"][0]["loc"]) == (422, ["body", "comment"])
    assert not decision.reviews.exists()


def test_who_calls_comes_before_what_was_sent(client):
    answer = client.generic("POST", "/hitl/patches", b'{"a": 1, "a": 2}', content_type="application/json")
    assert answer.status_code == 401


@pytest.mark.parametrize("raw", [b"{", b"[" * 100_000, b'{"a": ' * 50_000, b"\x00", b"nonsense"])
def test_what_is_not_json_is_400(producer_api, raw):
    assert post(producer_api, raw).status_code == 400
