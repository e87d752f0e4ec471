"""What was decided as a SARIF log: valid, with the approved change as a fix that can be made again from it."""

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from approvals.adapters.sarif_fixes import Sources, Unconvertible, diff_of, split
from approvals.adapters.sarif_log import SarifLog
from approvals.adapters.sarif_results import fix_of
from approvals.diff.canonical import canonical
from approvals.diff.parse import parse
from approvals.diff.structure import ADD, DELETE, NOTE, File
from approvals.models import Decision, Verdict
from tests.cast import DIFF, Api

from .sarif import is_valid, log_of
from .test_vex import report

PATH = "/hitl/adapters/sarif"
SAMPLES = Path(os.environ.get("HITL_SAMPLE_DATA", "../shared/data"))


def results_of(api: Api, **parameters: Any) -> list[dict[str, Any]]:
    answer = api.get(PATH, **parameters)
    assert answer.status_code == 200, answer.content
    log = answer.json()
    assert is_valid(log)
    return [result for run in log["runs"] for result in run["results"]]


def decision_in(result: dict[str, Any]) -> dict[str, Any]:
    said: dict[str, Any] = result["properties"]["hitlDecision"]
    return said


@pytest.mark.django_db
def test_an_approved_patch_is_a_result_with_its_fix(make_patch, approve, alice, deployer_api):
    decision = approve(make_patch(cve_id="GHSA-jfh8-c2jp-5v3q", cwe_ids=["CWE-89"], severity="high"), alice)
    [result] = results_of(deployer_api)
    assert (result["ruleId"], result["level"], result["kind"]) == ("GHSA-jfh8-c2jp-5v3q", "error", "fail")
    assert result["suppressions"] == []
    [change] = result["fixes"][0]["artifactChanges"]
    assert change["artifactLocation"]["uri"] == "app.py"
    assert change["replacements"] == [
        {
            "deletedRegion": {"startLine": 1, "startColumn": 1, "endLine": 2, "endColumn": 1},
            "insertedContent": {"text": "query = 'select %s'\n"},
        }
    ]
    assert decision_in(result)["status"] == "approved"
    assert decision_in(result)["decision_id"] == str(decision.decision_id)
    report(deployer_api, decision)
    [result] = results_of(deployer_api)
    assert (result["kind"], result["level"], decision_in(result)["deployed"]) == ("informational", "none", True)


@pytest.mark.django_db
def test_what_is_not_approved_has_no_fix_and_is_not_suppressed(
    make_patch, make_gate, approve, alice, lena, deployer_api, api_of
):
    approve(make_patch(), alice, Verdict.REJECT)
    approve(make_patch(), alice, Verdict.REQUEST_CHANGES)
    revoked = approve(make_patch(), alice)
    seen = {"decision_id": str(revoked.decision_id), "patch_sha256": revoked.patch.sha256, "reason": "It breaks."}
    api_of(lena).post(f"/hitl/patches/{revoked.patch.patch_id}/revoke", seen)
    make_patch()
    approve(make_gate(), alice)
    results = results_of(deployer_api)
    assert sorted(decision_in(one)["status"] for one in results) == ["changes_requested", "rejected", "revoked"]
    assert [(one["fixes"], one["suppressions"], one["kind"]) for one in results] == [([], [], "fail")] * 3
    rejected = next(one for one in results if decision_in(one)["status"] == "rejected")
    assert decision_in(rejected)["reason"] == "It misses the second call site."
    assert decision_in(rejected)["category"] == "incomplete"


@pytest.mark.django_db
def test_a_fix_that_sarif_cannot_say_is_left_out_with_its_reason(make_patch, approve, alice, deployer_api, monkeypatch):
    new = "diff --git a/n.py b/n.py\nnew file mode 100644\n--- /dev/null\n+++ b/n.py\n@@ -0,0 +1,1 @@\n+x = 1\n"
    approve(make_patch(diff=new), alice)
    [result] = results_of(deployer_api)
    assert result["fixes"] == []
    assert decision_in(result)["no_fix"] == "n.py is added, and a fix of SARIF can only change text."
    approve(make_patch(), alice)
    monkeypatch.setattr("approvals.api.adapters.MAX_DIFFS", 10)
    assert "filled this log" in decision_in(results_of(deployer_api)[0])["no_fix"]


@pytest.mark.django_db
def test_who_may_not_read_diffs_and_reasons_gets_none(make_patch, approve, alice, carol, api_of, token_for):
    approve(make_patch(), alice)
    approve(make_patch(), alice, Verdict.REJECT)
    for result in results_of(api_of(carol)):
        assert result["fixes"] == []
        assert "reason" not in decision_in(result)
    assert results_of(Api(token_for("producer", "another"))) == []


@pytest.mark.django_db
def test_patches_of_one_commit_are_one_run_and_link_leads_on(make_patch, approve, alice, deployer_api):
    shop = {"repository": "https://github.com/acme/shop", "base_commit": "1f4a2b90"}
    for more in (shop, shop, {}):
        approve(make_patch(**more), alice)
    runs = deployer_api.get(PATH).json()["runs"]
    assert sorted(len(run["results"]) for run in runs) == [1, 2]
    [provenance] = next(run for run in runs if len(run["results"]) == 2)["versionControlProvenance"]
    assert (provenance["repositoryUri"], provenance["revisionId"]) == (shop["repository"], "1f4a2b90")
    first = deployer_api.get(PATH, limit=2)
    following = first["Link"].split(">")[0].removeprefix("<http://testserver")
    assert len(deployer_api.client.get(following).json()["runs"][0]["results"]) == 1
    assert len(results_of(deployer_api, repository=shop["repository"])) == 2
    assert deployer_api.get(PATH, cursor="x").status_code == 422


@pytest.mark.django_db
def test_what_goes_out_comes_in_as_the_same_patch(make_patch, approve, alice, deployer_api, producer_api):
    decision = approve(make_patch(diff=DIFF), alice)
    [result] = results_of(deployer_api)
    text = "query = 'select ' + name\nrun(query)\n"
    log = log_of(text, uri="app.py", result={"fixes": result["fixes"]})
    [fix] = producer_api.post(PATH, log).json()["fixes"]
    sha256 = producer_api.get(f"/hitl/decisions/{fix['decision_id']}").json()["canonical_sha256"]
    assert sha256 == Decision.objects.get(pk=decision.pk).patch.canonical_sha256


def originals(file: File) -> str:
    """Return a text that a file's hunks apply to: their old lines where they say, and others between them."""
    lines: list[str] = []
    ends = True
    for hunk in file.hunks:
        start = max(1, hunk.old_start or 1)
        lines += [f"line {number} of no hunk\n" for number in range(len(lines) + 1, start)]
        before = 0
        for raw, code in hunk.coded_lines:
            if code == NOTE and before in (DELETE, ord(" ")):
                ends = False
            elif code in (DELETE, ord(" ")):
                lines.append(raw[1:].decode())
            before = code
    last = hunk.raw_lines[-1] if file.hunks else b""
    if ends and last[:1] != b"\\":
        lines += [f"line {number} of no hunk\n" for number in range(len(lines) + 1, len(lines) + 6)]
    text = "".join(lines)
    return text if ends else text.removesuffix("\n")


def real_patches() -> Iterator[bytes]:
    for name, column in (("bot_cve_backports.ndjson", "patch"), ("upstream_cve_fixes.ndjson", "diff")):
        path = SAMPLES / name
        for line in path.read_text("utf-8").splitlines()[::2] if path.exists() else []:
            yield json.loads(line)[column].encode()


@pytest.mark.skipif(not SAMPLES.exists(), reason="HITL_SAMPLE_DATA has no real patches")
def test_real_patches_go_out_and_come_back_as_the_same_change():
    """As a fix, and made again from that fix and the files that it changes, a patch makes of them what it did."""
    same, unsaid, refused = 0, 0, list[str]()
    for raw in real_patches():
        form = canonical(parse(raw))
        if form.data is None or len(raw) > 100_000:
            continue
        files = parse(form.data).files
        try:
            fix = fix_of(form.data, "x")
            texts = {file.path: originals(file) for file in files}
        except (Unconvertible, UnicodeDecodeError):
            unsaid += 1
            continue
        log = log_of(fix=fix)
        run = log["runs"][0]
        run |= {"columnKind": "unicodeCodePoints", "defaultEncoding": "UTF-8"}
        changed = fix["artifactChanges"]
        run["artifacts"] = [
            {"location": one["artifactLocation"], "contents": {"text": texts[file.path]}}
            for one, file in zip(changed, files, strict=True)
        ]
        read = SarifLog.model_validate(log).runs[0]
        assert read.results
        try:
            again = diff_of(read.results[0].fixes[0], Sources(read))
        except Unconvertible as error:
            refused.append(str(error))
            continue
        for ours, theirs in zip(parse(again).files, files, strict=True):
            assert applied(texts[ours.path], ours) == applied(texts[theirs.path], theirs) != texts[ours.path]
        same += 1
    assert same > 170
    assert unsaid < 60
    assert [why for why in refused if "one line without an end" not in why] == []


def applied(text: str, file: File) -> str:
    """Return what exactly the hunks of a file in canonical form make of a text."""
    old, new, place = split(text), list[str](), 0
    for hunk in file.hunks:
        start = (hunk.old_start or 0) - (hunk.old_count != 0)
        new += old[place:start]
        place = start
        added = False
        for raw, code in hunk.coded_lines:
            if code == NOTE:
                if added:
                    new[-1] = new[-1].removesuffix("\n")
                continue
            added = code == ADD
            line = raw[1:].decode()
            if added:
                new.append(line)
                continue
            assert old[place].removesuffix("\n") == line.removesuffix("\n")
            new += [old[place]] if code != DELETE else []
            place += 1
    return "".join([*new, *old[place:]])
