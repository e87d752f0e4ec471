"""The fixes of a SARIF log become patches: the exact change, what the log says of it, and what cannot be one."""

import base64
import hashlib
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from approvals.adapters.sarif_documents import proposed
from approvals.adapters.sarif_fixes import Sources, Unconvertible, diff_of
from approvals.adapters.sarif_log import SarifLog
from approvals.models import Patch, PatchContent

from .sarif import FIXED, QUERY, is_valid, log_of

PATH = "/hitl/adapters/sarif"


def diff_in(log: dict[str, Any]) -> bytes:
    """Return the diff of a log's first fix."""
    run = SarifLog.model_validate(json.loads(json.dumps(log))).runs[0]
    assert run.results
    return diff_of(run.results[0].fixes[0], Sources(run))


def applied(text: str, diff: bytes, folder: Path, name: str = "shop/find.py") -> str:
    """Return what GNU patch makes of a file."""
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(text.encode())
    subprocess.run(["patch", "-p1", "--fuzz=0"], input=diff, cwd=folder, check=True, capture_output=True)
    return path.read_bytes().decode()


@pytest.mark.django_db
def test_a_fix_becomes_a_patch_that_changes_what_the_fix_says(producer_api, tmp_path):
    log = log_of()
    assert is_valid(log)
    answer = producer_api.post(PATH, log)
    assert answer.status_code == 200, answer.content
    [fix] = answer.json()["fixes"]
    assert (fix["status"], fix["run"], fix["result"], fix["fix"], fix["rule_id"]) == (201, 0, 0, 0, "py/sql-injection")
    record = producer_api.get(f"/hitl/decisions/{fix['decision_id']}").json()
    assert applied(QUERY, bytes(PatchContent.objects.get().diff), tmp_path) == FIXED
    assert record["canonical_sha256"] == record["patch_sha256"], "the diff is the canonical form"
    said = record["patch_metadata"]
    assert said["title"] == "Bind the name."
    assert said["description"] == "This query depends on a user-provided value."
    assert (said["repository"], said["base_commit"]) == ("https://github.com/acme/shop", "1f4a2b90")
    assert (said["severity"], said["cwe_ids"], said["apv_id"]) == ("high", ["CWE-89"], "py/sql-injection")
    assert said["vulnerable_locations"] == [{"file": "shop/find.py", "start": 5, "end": 5}]
    assert record["ml_prediction"] is None, "what the log does not say stays absent"


@pytest.mark.django_db
def test_a_second_log_with_the_same_fix_is_a_replay_and_another_fix_the_next_revision(producer_api):
    first = producer_api.post(PATH, log_of()).json()["fixes"][0]
    again = producer_api.post(PATH, log_of()).json()["fixes"][0]
    assert (again["status"], again["decision_id"]) == (200, first["decision_id"])
    other = [{"deletedRegion": {"startLine": 1, "startColumn": 1, "endColumn": 7}, "insertedContent": {"text": "from"}}]
    changed = producer_api.post(PATH, log_of(replacements=other)).json()["fixes"][0]
    assert (changed["status"], changed["revision"]) == (201, 2)


@pytest.mark.django_db
def test_the_bag_says_what_sarif_has_no_place_for(producer_api):
    bag = {
        "patch_id": "SHOP-7",
        "ml_prediction": {"confidence": 0.9, "prediction": True},
        "patch_metadata": {"apv_id": "APV-7", "cve_ids": ["GHSA-jfh8-c2jp-5v3q"], "package_name": "shop"},
    }
    below = {"properties": {"hitl": {"patch_metadata": {"severity": "critical"}}}}
    log = log_of(result={"properties": {"hitl": bag}}, fix=below)
    assert is_valid(log)
    assert producer_api.post(PATH, log).json()["fixes"][0]["status"] == 201
    record = producer_api.get("/hitl/patches/SHOP-7").json()
    said = record["patch_metadata"]
    assert (said["apv_id"], said["cve_id"], said["severity"]) == ("APV-7", "GHSA-jfh8-c2jp-5v3q", "critical")
    assert record["ml_prediction"]["confidence"] == 0.9


@pytest.mark.django_db
def test_alternatives_are_candidates_of_one_vulnerability(producer_api):
    """Each entry of `fixes` is one way to mend the result."""
    log = log_of(result={"ruleId": "CVE-2024-3333", "ruleIndex": -1})
    run = log["runs"][0]
    run["tool"]["driver"]["rules"] = []
    [fix] = run["results"][0]["fixes"]
    other = json.loads(json.dumps(fix))
    other["artifactChanges"][0]["replacements"].pop()
    run["results"][0]["fixes"].append(other)
    assert is_valid(log)
    fixes = producer_api.post(PATH, log).json()["fixes"]
    assert [one["status"] for one in fixes] == [201, 201]
    assert {patch.patch_id[:20] for patch in Patch.objects.all()} == {"sarif:CVE-2024-3333:"}
    trace = producer_api.get(f"/hitl/decisions/{fixes[1]['decision_id']}").json()["trace"]
    assert {"text": "No other candidate for the CVE waits", "value": "1 waiting", "outcome": "fail"} in trace


@pytest.mark.django_db
def test_a_bad_fix_harms_no_other_and_each_says_why(producer_api):
    log = log_of()
    results = log["runs"][0]["results"]
    results += [json.loads(json.dumps(results[0])) for _ in range(3)]
    results[1]["fixes"][0]["artifactChanges"][0]["artifactLocation"] = {"uri": "other.py"}
    results[2]["properties"] = {"hitl": {"patch_metadata": {"severity": "rather bad"}}}
    del results[3]["fixes"]
    assert is_valid(log)
    body = producer_api.post(PATH, log).json()
    assert [one["status"] for one in body["fixes"]] == [201, 422, 422]
    assert body["results_without_fixes"] == 1
    assert "other.py: the log does not carry its text" in body["fixes"][1]["error"]["detail"]
    assert body["fixes"][2]["error"]["errors"][0]["loc"] == ["body", "patch_metadata", "severity"]


@pytest.mark.django_db
def test_two_fixes_under_one_name_are_not_taken_for_revisions(producer_api):
    log = log_of()
    results = log["runs"][0]["results"]
    results.append(json.loads(json.dumps(results[0])))
    fixes = producer_api.post(PATH, log).json()["fixes"]
    assert [one["status"] for one in fixes] == [201, 422]
    assert "have the patch_id" in fixes[1]["error"]["detail"]


@pytest.mark.django_db
def test_a_log_without_fixes_or_of_another_version_is_refused(producer_api):
    log = log_of(result={"fixes": []})
    answer = producer_api.post(PATH, log)
    assert answer.status_code == 422
    assert answer.json()["detail"].startswith("None of the 1 results of this log has `fixes`")
    answer = producer_api.post(PATH, log_of() | {"version": "2.0.0"})
    assert answer.json()["errors"][0]["loc"] == ["body", "version"]
    assert Patch.objects.count() == 0


def region(
    line: int, column: int | None = None, end_line: int | None = None, end_column: int | None = None
) -> dict[str, Any]:
    said = {"startLine": line, "startColumn": column, "endLine": end_line, "endColumn": end_column}
    return {name: value for name, value in said.items() if value is not None}


def one(where: dict[str, Any], text: str | None = None) -> list[dict[str, Any]]:
    return [{"deletedRegion": where} | ({} if text is None else {"insertedContent": {"text": text}})]


LINES = "one\ntwo\nthree\n"
CHANGES = {
    "a whole line, whose end stays": (LINES, one(region(2), "2"), "one\n2\nthree\n"),
    "a line with its end": (LINES, one(region(2, 1, 3, 1)), "one\nthree\n"),
    "before the first line": (LINES, one(region(1, 1, 1, 1), "zero\n"), "zero\none\ntwo\nthree\n"),
    "after the last line": (LINES, one(region(4, 1, 4, 1), "four\n"), "one\ntwo\nthree\nfour\n"),
    "after a last line without an end": ("one\ntwo", one(region(2, 4, 2, 4), "\nthree"), "one\ntwo\nthree"),
    "the end of the last line": ("one\ntwo\n", one(region(2, 4, 3, 1)), "one\ntwo"),
    "CRLF stays": ("one\r\ntwo\r\n", one(region(2), "2"), "one\r\n2\r\n"),
    "by offset": (LINES, one({"charOffset": 4, "charLength": 3}, "2"), "one\n2\nthree\n"),
    "two in one line": (
        LINES,
        one(region(3, 1, 3, 2), "T") + one(region(3, 5, 3, 6), "E!"),
        "one\ntwo\nThreE!\n",
    ),
    "two insertions at one place": (
        LINES,
        one(region(1, 1, 1, 1), "a") + one(region(1, 1, 1, 1), "b"),
        "abone\ntwo\nthree\n",
    ),
    "last first": (LINES, one(region(3), "3") + one(region(1), "1"), "1\ntwo\n3\n"),
    "a form feed is no line end": ("a\fb\nc\n", one(region(2), "C"), "a\fb\nC\n"),
}  # fmt: skip


@pytest.mark.parametrize(("before", "replacements", "after"), CHANGES.values(), ids=CHANGES)
def test_a_region_is_replaced_as_the_standard_says(before, replacements, after, tmp_path):
    log = log_of(before, replacements)
    assert is_valid(log)
    assert applied(before, diff_in(log), tmp_path) == after


def test_a_long_file_has_hunks_of_what_changed_alone(tmp_path):
    lines = [f"line {number}\n" for number in range(1, 3_001)]
    before = "".join(lines)
    at = [region(10), region(13), region(2_990, 1, 2_991, 1)]
    diff = diff_in(log_of(before, one(at[0], "ten") + one(at[1], "thirteen") + one(at[2])))
    assert diff.count(b"\n@@ ") == 2
    assert diff.count(b"\n") < 40
    lines[9], lines[12], lines[2_989] = "ten\n", "thirteen\n", ""
    assert applied(before, diff, tmp_path) == "".join(lines)


def test_a_region_of_many_lines_shows_the_lines_that_differ():
    before = "".join(f"line {number}\n" for number in range(1, 501))
    diff = diff_in(log_of(before, one(region(1, 1, 501, 1), before.replace("line 250\n", "LINE 250\n"))))
    assert [line for line in diff.split(b"\n")[3:] if line[:1] in (b"+", b"-")] == [b"-line 250", b"+LINE 250"]


UTF16, POINTS = {"columnKind": "utf16CodeUnits"}, {"columnKind": "unicodeCodePoints"}
EMOJI = "a = '\U0001f512' + name\n"
WITH_ENCODING = {"encoding": "UTF-8"}


@pytest.mark.parametrize(("kind", "column"), [(UTF16, 9), (POINTS, 8)])
def test_columns_are_counted_as_the_run_says(kind, column, tmp_path):
    log = log_of(EMOJI, one(region(1, column, 1, column), " "), run=kind, artifact=WITH_ENCODING)
    assert applied(EMOJI, diff_in(log), tmp_path) == "a = '\U0001f512'  + name\n"


def test_columns_before_a_wide_character_are_alike_in_every_kind(tmp_path):
    log = log_of(EMOJI, one(region(1, 1, 1, 2), "b"), artifact=WITH_ENCODING)
    assert applied(EMOJI, diff_in(log), tmp_path) == "b = '\U0001f512' + name\n"


def test_a_long_line_is_gone_through_once_however_many_places_in_it_change():
    changes = [change for n in range(400) for change in one(region(1, 1 + 30 * n, 1, 2 + 30 * n), "b")]
    log = log_of("a\U0001f512" * 10_000 + "\nx\n", changes, run=UTF16, artifact=WITH_ENCODING)
    steps = 0

    def count(frame: Any, event: str, argument: Any) -> None:
        nonlocal steps
        steps += event == "call"

    sys.setprofile(count)
    try:
        diff = diff_in(log)
    finally:
        sys.setprofile(None)
    assert diff.count(b"b\xf0") == 400
    assert steps < 200_000  # 20,000 characters, not 400 times


def test_arguments_of_a_message_do_not_make_it_large():
    message = {"id": "m", "arguments": ["y" * 100_000]}
    rule = {"id": "r", "messageStrings": {"m": {"text": "{0}" * 100_000}}}
    log = log_of(result={"message": message, "ruleId": "r", "ruleIndex": 0}, fix={"description": {"text": "x"}})
    log["runs"][0]["tool"]["driver"]["rules"] = [rule]
    [fix] = proposed(SarifLog.model_validate(log))
    assert len(fix.document()["patch_metadata"]["description"]) == 20_000


def test_the_bytes_are_those_of_the_files_encoding():
    binary = base64.b64encode("prix = 'déjà'\n".encode("latin-1")).decode()
    latin = {"contents": {"binary": binary}, "encoding": "ISO-8859-1"}
    assert b"-prix = 'd\xe9j\xe0'\n" in diff_in(log_of(replacements=one(region(1), "x"), artifact=latin))
    said = {"hashes": {"sha-256": hashlib.sha256("déjà\n".encode()).hexdigest()}}
    assert "-déjà\n".encode() in diff_in(log_of("déjà\n", one(region(1), "x"), artifact=said))


SRC = {"uri": "src/", "uriBaseId": "ROOT"}


def test_bases_are_followed_to_the_root_of_the_repository():
    base = {"originalUriBaseIds": {"%SRCROOT%": SRC, "ROOT": {"uri": "file:///home/ci/shop/"}}}
    assert b"+++ b/src/shop/find%20.py\n" not in diff_in(log_of(run=base))
    assert b"+++ b/src/shop/find.py\n" in diff_in(log_of(run=base))
    mapped = [{"repositoryUri": "https://github.com/acme/shop", "mappedTo": {"uriBaseId": "%SRCROOT%"}}]
    assert b"+++ b/shop/find.py\n" in diff_in(log_of(run=base | {"versionControlProvenance": mapped}))
    assert b'+++ "b/shop/a b.py"\n' in diff_in(log_of(uri="./shop/a%20b.py"))


REFUSED = {
    "into an empty file": (log_of("", one(region(1, 1, 1, 1), "one\n")), "no unchanged line around it"),
    "all of it": (log_of(LINES, one(region(1, 1, 4, 1))), "This hunk leaves an empty file"),
    "no text": (log_of(artifact={"contents": {"rendered": {"text": "x"}}}), "the log does not carry its text"),
    "an unlisted file": (log_of(run={"artifacts": []}), "the log does not carry its text"),
    "no such line": (log_of(LINES, one(region(5), "x")), "there is no line 5; it has 3"),
    "no such column": (log_of(LINES, one(region(1, 9, 1, 10), "x")), "there is no column 9 of line 1"),
    "an end before the beginning": (log_of(LINES, one(region(1, 3, 1, 2), "x")), "ends before it begins"),
    "an overlap": (log_of(LINES, one(region(1, 1, 1, 3), "x") + one(region(1, 2, 1, 4), "y")), "overlap in line 1"),
    "nothing changed": (log_of(LINES, one(region(1), "one")), "its replacements change nothing"),
    "a region of bytes": (log_of(LINES, one({"byteOffset": 0, "byteLength": 1}, "x")), "a region of bytes"),
    "an offset alone": (log_of(LINES, one({"charOffset": 1}, "x")), "a charOffset and no charLength"),
    "inserted bytes": (
        log_of(LINES, [{"deletedRegion": region(1), "insertedContent": {"binary": "eA=="}}]),
        "it inserts bytes",
    ),
    "a NUL": (log_of(artifact={"contents": {"binary": "AGE="}}), "holds a NUL"),
    "no base64": (log_of(artifact={"contents": {"binary": "?"}}), "contents.binary is not base64"),
    "another content than its hash": (log_of(artifact={"hashes": {"sha-256": "0" * 64}}), "and `hashes` says 000"),
    "letters of an unknown encoding": (log_of("é\n", one(region(1), "e")), "it is not ASCII; name its `encoding`"),
    "an encoding of wide characters": (log_of(artifact={"encoding": "UTF-16"}), "its encoding is utf-16"),
    "a letter the encoding lacks": (
        log_of(LINES, one(region(1), "\u20ac"), artifact={"encoding": "us-ascii"}),
        "us-ascii has no '\u20ac' (U+20AC)",
    ),
    "columns of an unknown kind": (
        log_of(EMOJI, one(region(1, 9, 1, 9), " "), artifact=WITH_ENCODING),
        "depends on `columnKind`",
    ),
    "half a character": (
        log_of(EMOJI, one(region(1, 7, 1, 7), " "), run=UTF16, artifact=WITH_ENCODING),
        "there is no column 7",
    ),
    "other line ends": (
        log_of("a\u2028b\n", one(region(1), "x"), run={"newlineSequences": ["\n", "\u2028"]}, artifact=WITH_ENCODING),
        "its lines end in",
    ),
    "an absolute address": (log_of(uri="file:///home/ci/shop/find.py"), "it is no path in a repository"),
    "a way out": (log_of(uri="shop/../../find.py"), "it leads out of the repository"),
    "a way out, encoded": (log_of(uri="shop/%2e%2e/%2e%2e/find.py"), "it leads out of the repository"),
    "bases in a ring": (
        log_of(run={"originalUriBaseIds": {"%SRCROOT%": SRC, "ROOT": {"uri": "x/", "uriBaseId": "%SRCROOT%"}}}),
        "more than 20 bases",
    ),
}  # fmt: skip


@pytest.mark.parametrize(("log", "why"), REFUSED.values(), ids=REFUSED)
def test_what_the_log_leaves_open_is_refused_and_not_guessed(log, why):
    with pytest.raises(Unconvertible) as refused:
        diff_in(log)
    assert why in str(refused.value)


def test_two_changes_of_one_file_and_a_wrong_index_are_refused():
    log = log_of()
    changes = log["runs"][0]["results"][0]["fixes"][0]["artifactChanges"]
    changes.append(changes[0])
    with pytest.raises(Unconvertible, match="two artifactChanges change it"):
        diff_in(log)
    changes.pop()
    changes[0]["artifactLocation"] = {"index": 7}
    with pytest.raises(Unconvertible, match="index is 7, and the run has 1 artifacts"):
        diff_in(log)
    changes[0]["artifactLocation"] = {"index": 0}
    assert b"+++ b/shop/find.py" in diff_in(log)


def test_a_diff_in_the_bag_is_refused():
    bag = {"properties": {"hitl": {"diff": "--- a/x\n"}}}
    [fix] = proposed(SarifLog.model_validate(log_of(fix=bag)))
    with pytest.raises(Unconvertible, match="the diff is made from the fix"):
        fix.document()
