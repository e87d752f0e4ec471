"""What two revisions say differently beside the diff."""

import pytest
from django.urls import reverse

from approvals.models import Patch
from approvals.policy.visible_fields import Reader
from approvals.views.differences import COMPARED_APART, LABELS, differences
from tests.cast import DIFF

pytestmark = pytest.mark.django_db

IDENTITY = {"id", "kind", "producer", "patch_id", "revision", "supersedes", "created_at"}
OF_THE_DIFF = {
    "sha256",
    "document_sha256",
    "size",
    "file_count",
    "additions",
    "deletions",
    "parsed",
    "parse_warnings",
} | {
    "canonical_sha256",
    "no_canonical",
    "ambiguous",
    "marks",
    "worst_mark",
    "mark_codes",
    "change_sha256",
    "change_spaceless_sha256",
    "change_files_sha256",
}
FOR_SEARCH = {"vulnerability_ids", "cvss_counted", "search", "search_text"}
ML = {"model_version": "rf_v2", "confidence": 0.9712, "prediction": True, "base_value": 0.5}
WAR = {"phase1_success": True, "phase2_success": True, "validation_passed": True, "log": "one"}


@pytest.fixture
def compared(make_patch):
    """Return a function that pushes two revisions and returns what differs, as label to (old, new)."""

    def compare(old, new):
        first = make_patch(patch_id="PATCH-X", cve_id="CVE-2024-0001", **old)
        again = {"diff": DIFF.replace("select %s", "select ?")} | new
        second = make_patch(patch_id="PATCH-X", cve_id="CVE-2024-0001", **again)
        found = differences(first, second, Reader.LEAD)
        return {f"{one.group}, {one.label}": (one.old, one.new) for one in found}

    return compare


def test_every_column_of_a_patch_is_compared_or_known_not_to_be():
    columns = {field.name for field in Patch._meta.concrete_fields}
    shown = {name for labels in LABELS.values() for name in labels}
    assert columns - shown - COMPARED_APART == IDENTITY | OF_THE_DIFF | FOR_SEARCH


def test_revisions_that_say_the_same_differ_in_nothing(compared):
    same = {"title": "Bind", "ml_prediction": ML, "wargaming_result": WAR}
    assert compared(same, same) == {}


def test_metadata_that_changed_is_old_and_new(compared):
    found = compared(
        {"title": "Bind", "severity": "medium", "current_version": "1.0", "aliases": ["GHSA-1"], "kev": False},
        {"title": "Bind it", "severity": "high", "target_version": "1.1", "aliases": ["GHSA-1", "GHSA-2"], "kev": True},
    )
    assert found["Advisory, Title"] == ("Bind", "Bind it")
    assert found["Advisory, Severity sent"] == ("Medium", "High")
    assert found["Advisory, Aliases"] == ("GHSA-1", "GHSA-1, GHSA-2")
    assert found["Advisory, Known exploited, says the producer"] == ("no", "yes")
    assert found["Change, Version now"] == ("1.0", "")
    assert found["Change, Fixed in"] == ("", "1.1")


def test_evidence_that_changed_is_old_and_new(compared):
    found = compared(
        {"ml_prediction": ML | {"shap_values": {"lines": 0.4, "files": 0.1}}, "wargaming_result": WAR},
        {
            "ml_prediction": ML
            | {"confidence": 0.9714, "prediction": False, "shap_values": {"lines": 0.3, "files": 0.1}},
            "wargaming_result": WAR | {"phase2_success": False, "log": "two"},
        },
    )
    assert found["ML, Confidence"] == ("97.12 %", "97.14 %")
    assert found["ML, Verdict"] == ("SUCCESS", "FAIL")
    assert found["ML, SHAP: lines"] == ("+0.4", "+0.3")
    assert "ML, SHAP: files" not in found
    assert found["Wargaming, Verdict"] == ("Passed", "Failed")
    assert found["Wargaming, Exploit fails after"] == ("yes", "no")
    assert found["Wargaming, Log"][0] != found["Wargaming, Log"][1]


def test_logs_whose_digests_only_begin_alike_differ(compared):
    old, new = "tests/fixtures/case-04715c0.json", "tests/fixtures/case-0a4bc9a.json"  # c991b5b0dc27 both
    found = compared({"wargaming_result": WAR | {"log": old}}, {"wargaming_result": WAR | {"log": new}})
    assert set(found) == {"Wargaming, Log"}


def test_evidence_that_came_first_now_stands_beside_nothing(compared):
    found = compared({}, {"ml_prediction": ML, "submitted_by": "ada", "requires_manual_review": True})
    assert found["ML, Model"] == ("", "rf_v2")
    assert found["People and flags, Submitted by"] == ("", "ada")
    assert found["People and flags, Manual review asked for"] == ("no", "yes")


def test_long_words_are_shown_where_they_part(compared):
    start = "Long. " * 100
    old, new = compared({"description": start + "Old end."}, {"description": start + "New end."})[
        "Advisory, About this patch"
    ]
    assert old.startswith("…")
    assert old.endswith("Old end.")
    assert new.endswith("New end.")
    assert len(old) < 100


def test_the_comparison_page_shows_them_above_the_diff(sign_in, alice, make_patch):
    make_patch(patch_id="PATCH-X", cve_id="CVE-2024-0001", title="<b>Bind</b>")
    newer = make_patch(patch_id="PATCH-X", cve_id="CVE-2024-0001", title="Bind\u202e", diff=DIFF.replace("%s", "?"))
    address = reverse("patch-compare", args=[newer.decision_id, 1])
    text = sign_in(alice).get(address).content.decode()
    assert "<del>&lt;b&gt;Bind&lt;/b&gt;</del>" in text
    assert "\u202e" not in text
    assert text.index("Metadata and evidence") < text.index('class="dfile"')
    same = make_patch(patch_id="PATCH-X", cve_id="CVE-2024-0001", title="Bind\u202e", diff=DIFF.replace("%s", "$1"))
    address = reverse("patch-compare", args=[same.decision_id, 2])
    assert "Metadata and evidence" not in sign_in(alice).get(address).content.decode()
