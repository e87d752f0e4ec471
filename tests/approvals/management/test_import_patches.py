"""import_patches: rows come in whole, what fails is named by its line, and nothing is made up."""

import base64
import hashlib
import json

import pytest
from django.core.management import CommandError, call_command

from approvals.models import NO_DEADLINE, Decision, Patch, PatchContent
from tests.cast import DIFF, document

pytestmark = pytest.mark.django_db


@pytest.fixture
def run(tmp_path, capsys):
    """Return a function that imports lines and returns (what it said, its complaints)."""

    def call(*lines, producer="debian", **options):
        file = tmp_path / "patches.ndjson"
        file.write_bytes(b"\n".join(line if isinstance(line, bytes) else json.dumps(line).encode() for line in lines))
        failed = False
        try:
            call_command("import_patches", str(file), producer=producer, **options)
        except SystemExit as end:
            failed = end.code == 1
        out, err = capsys.readouterr()
        assert failed == ("0 failed" not in out)
        return out.strip(), err

    return call


def bare(**changes: object) -> dict[str, object]:
    return {"package": "curl", "cve_id": "CVE-2024-1", "title": "Fix", "patch": DIFF} | changes


def test_a_bare_row_becomes_a_patch_without_clocks(run):
    out, _ = run(bare())
    assert out == "1 new, 0 already known, 0 failed."
    patch = Patch.objects.get()
    digest = hashlib.sha256(DIFF.encode()).hexdigest()
    assert (patch.patch_id, patch.sha256) == (f"curl.CVE-2024-1.{digest[:12]}", digest)
    assert (patch.apv_id, patch.severity, patch.wargaming, patch.ml_confidence) == (
        f"import-{digest[:12]}",
        "unknown",
        "not_run",
        None,
    )
    assert bytes(PatchContent.objects.get().diff) == DIFF.encode()
    decision = Decision.objects.get()
    assert {decision.sla_due_at, decision.expire_at, decision.escalate_at} == {NO_DEADLINE}


def test_clocks_are_for_who_asks(run):
    run(bare(severity="high"), with_clocks=True)
    assert Decision.objects.get().sla_due_at != NO_DEADLINE


def test_rows_of_our_schema_and_raw_bytes_are_taken(run):
    raw = b"--- a/x\n+++ b/x\n@@ -1 +1 @@\n-\xe9\n+\xff\r\n"
    out, _ = run(document(), bare(patch=None, patch_base64=base64.b64encode(raw).decode()))
    assert out.startswith("2 new")
    assert raw in {bytes(content.diff) for content in PatchContent.objects.all()}


def test_a_second_run_knows_all_of_them(run):
    run(bare(), bare(cve_id="CVE-2024-2"))
    out, _ = run(bare(), bare(cve_id="CVE-2024-2"))
    assert out == "0 new, 2 already known, 0 failed."


@pytest.mark.parametrize(
    ("row", "why"),
    [
        (bare(patch=None), "a row has its patch in"),
        (bare(patch={"a": 1}), "`patch` is text"),
        ({"repository": 5, "patch": DIFF}, "`repository` is text"),
        ({"patch": DIFF}, "names its package or its repository"),
        (bare(cve_ids="CVE-2024-1"), "cve_ids"),
        ([1], "a row is an object"),
        (b"{not json", "not JSON in UTF-8"),
        (b"\xff\xfe", "not JSON in UTF-8"),
    ],
)
def test_a_bad_row_is_named_by_its_line_and_harms_no_other(run, row, why):
    out, err = run(bare(), b"", row, bare(cve_id="CVE-2024-2"))
    assert out == "2 new, 0 already known, 1 failed."
    assert f"line 3: {why}" in err or ("line 3: " in err and why in err)
    assert Patch.objects.count() == 2


def test_a_producer_without_a_name_is_refused(run):
    with pytest.raises(CommandError, match="A name has 1 to 100"):
        run(bare(), producer="x" * 101)


def test_a_file_that_is_not_there_is_one_sentence(tmp_path):
    with pytest.raises(CommandError, match="No such file"):
        call_command("import_patches", str(tmp_path / "none"), producer="debian")


def test_a_severity_that_nobody_knows_is_said(run):
    out, err = run(bare(severity="spicy"))
    assert out == "1 new, 0 already known, 0 failed."
    assert "line 1: no severity is called “spicy”; it counts as unknown" in err
