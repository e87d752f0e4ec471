"""Severity as distributions, registries and scanners say it: mapped, and the mapping is said on every way in."""

import json

import pytest
from django.core.management import call_command

from approvals.models import Patch
from approvals.policy.severity import WORDS
from tests.cast import DIFF, document

pytestmark = pytest.mark.django_db

MAPPED = [
    ("moderate", "medium"),
    ("Moderate", "medium"),
    ("IMPORTANT", "high"),
    ("none", "unknown"),
    ("negligible", "low"),
    ("info", "low"),
    ("urgent", "critical"),
    ("not yet assigned", "unknown"),
    ("NOT_YET_ASSIGNED", "unknown"),
    ("Blocker", "critical"),
    ("trivial", "low"),
    ("\uff28igh", "high"),
]


@pytest.mark.parametrize(("word", "counts"), MAPPED)
def test_a_word_of_the_field_is_mapped_and_said(producer_api, sign_in, alice, word, counts):
    answer = producer_api.post("/hitl/patches", document(severity=word))
    assert answer.status_code == 201
    [said] = answer.json()["parse_warnings"]
    assert (said["code"], said["message"]) == ("metadata-severity", f"The severity “{word}” counts as {counts}.")
    record = producer_api.get("/hitl/patches/PATCH-0001").json()
    assert (record["patch_metadata"]["severity"], record["effective_severity"]) == (counts, counts)
    assert said["message"] in sign_in(alice).get(f"/patches/{answer.json()['decision_id']}").content.decode()


@pytest.mark.parametrize("word", ["critical", "Critical", " HIGH "])
def test_our_own_words_are_taken_in_any_case(producer_api, word):
    answer = producer_api.post("/hitl/patches", document(severity=word))
    assert answer.json()["parse_warnings"] == []
    assert Patch.objects.get().severity == word.strip().lower()


@pytest.mark.parametrize("word", ["", "7", "P1", "x" * 255, "critical!"])
def test_an_unknown_word_is_refused_with_those_that_are_known(producer_api, word):
    answer = producer_api.post("/hitl/patches", document(severity=word))
    assert answer.status_code == 422
    [error] = answer.json()["errors"]
    assert error["loc"] == ["body", "patch_metadata", "severity"]
    assert all(known in error["msg"] for known in WORDS)


def test_bulk_says_the_mapping_at_the_line(producer_api):
    lines = "\n".join(json.dumps(document(patch_id=word, severity=word)) for word in ("high", "important"))
    answer = producer_api.client.generic("POST", "/hitl/patches/bulk", lines, content_type="application/x-ndjson")
    plain, mapped = map(json.loads, answer.content.splitlines())
    assert "parse_warnings" not in plain
    assert [said["message"] for said in mapped["parse_warnings"]] == ["The severity “important” counts as high."]


def test_an_import_says_the_mapping_at_the_line(db, tmp_path, capsys):
    rows = [{"package": "flask", "severity": "Moderate", "patch": DIFF}, document(severity="none")]
    (tmp_path / "rows.ndjson").write_text("\n".join(map(json.dumps, rows)))
    call_command("import_patches", tmp_path / "rows.ndjson", producer="old")
    said = capsys.readouterr().err
    assert "line 1: The severity “Moderate” counts as medium." in said
    assert "line 2: The severity “none” counts as unknown." in said
