"""Every real patch of the sample data: read, byte exact, counted as git counts it. Hand-written cases are elsewhere."""

import base64
import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from approvals.diff.parse import parse
from approvals.diff.rows import file_rows

ROOT = Path(__file__).resolve().parents[3]
SAMPLES = Path(os.environ.get("HITL_SAMPLE_DATA") or ROOT / "../shared/data")
FILES = {"bot_cve_backports": "patch", "upstream_cve_fixes": "diff", "odd_cve_patches": "patch_base64"}

pytestmark = pytest.mark.skipif(not SAMPLES.is_dir(), reason=f"no sample data in {SAMPLES} (set HITL_SAMPLE_DATA)")


def patches(name: str) -> Iterator[tuple[int, bytes]]:
    """Return the number and the bytes of each patch of a sample file."""
    field = FILES[name]
    with (SAMPLES / f"{name}.ndjson").open(encoding="utf-8") as rows:
        for number, row in enumerate(rows):
            content = json.loads(row)[field]
            yield number, base64.b64decode(content) if field.endswith("base64") else content.encode()


@pytest.mark.parametrize("name", FILES)
def test_every_real_patch_is_read_and_comes_back(name: str) -> None:
    for number, data in patches(name):
        diff = parse(data)
        assert diff.to_bytes() == data, number
        assert diff.parsed, number
        assert any(file.hunks or file.binary or file.change != "modified" for file in diff.files), number


@pytest.mark.parametrize("name", FILES)
def test_every_real_patch_can_be_drawn(name: str) -> None:
    for number, data in patches(name):
        for file in parse(data).files[:20]:
            rows = [row for hunk in file_rows(file, count=400) for row in hunk.rows]
            added = sum(row.kind == "add" for row in rows)
            assert added == file.additions or file.line_count > 400, number


@pytest.mark.skipif(shutil.which("git") is None, reason="git is not installed")
@pytest.mark.parametrize("name", FILES)
def test_lines_are_counted_as_git_counts_them(name: str, tmp_path: Path) -> None:
    accepted = 0
    for number, data in patches(name):
        counted = subprocess.run(["git", "apply", "--numstat", "-"], input=data, capture_output=True, cwd=tmp_path)
        if counted.returncode:
            continue
        accepted += 1
        figures = [line.split(b"\t") for line in counted.stdout.splitlines()]
        added, deleted = (sum(int(row[column]) for row in figures if row[column] != b"-") for column in (0, 1))
        diff = parse(data)
        assert (diff.additions, diff.deletions) == (added, deleted), number
    assert accepted
