"""The canonical form: the change that is shown, as git and GNU patch apply it alike, or a reason why there is none."""

import shutil
from pathlib import Path

import pytest

from approvals.diff.canonical import canonical
from approvals.diff.parse import parse
from approvals.diff.structure import CONTEXT, DELETE, EATEN, NOTE, File
from tests.approvals.diff.test_real_data import FILES, SAMPLES, patches
from tests.approvals.diff.tools import Tree, read, run, write

TOOLS = pytest.mark.skipif(not shutil.which("git") or not shutil.which("patch"), reason="git or patch is not installed")
HUNK = b"@@ -1,3 +1,3 @@\n 1\n-a\n+b\n 3\n"


def form(data: bytes) -> bytes:
    """Return the canonical form of a patch that has one."""
    found = canonical(parse(data))
    assert found.data is not None, found.reason
    return found.data


def old_side(files: list[File]) -> Tree | None:
    """Return a tree that the hunks fit; None where a file is changed twice."""
    tree: Tree = {}
    for file in files:
        if file.old_path is None or file.change == "added":
            continue
        if file.old_path in tree:
            return None
        lines: list[bytes] = []
        for hunk in file.hunks:
            start = (hunk.old_start or 0) + ((hunk.old_count or 0) == 0)
            lines += [b"filler %d\n" % number for number in range(len(lines) + 1, start)]
            last = b""
            for raw, code in hunk.coded_lines:
                if code == NOTE and last:
                    lines[-1] = lines[-1].rstrip(b"\n")
                last = raw if code in (CONTEXT, DELETE, EATEN) else b""
                if code in (CONTEXT, DELETE, EATEN):
                    lines.append(raw if code == EATEN else raw[1:])
        tree[file.old_path] = b"".join(lines)
    return tree


def test_words_counts_and_prefixes_of_a_mail_are_gone() -> None:
    mail = b"From: Ada\nSubject: Fix\n\nWhy.\n---\n x | 2 +-\n\n--- foo-1.orig/x\n+++ foo-1/x\n" + HUNK + b"-- \n2.39\n"
    assert form(mail) == b"diff --git a/x b/x\n--- a/x\n+++ b/x\n" + HUNK


def test_the_canonical_form_of_a_canonical_form_is_itself() -> None:
    data = form(b"--- a/x y\t\n+++ b/x y\t\n" + HUNK)
    assert form(data) == data
    assert parse(data).files[0].path == "x y"


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "empty"),
        (b"only words\n", "No change"),
        (b"--- a/x\n+++ b/y\n" + HUNK, "name different files"),
        (b"--- a/../x\n+++ b/../x\n" + HUNK, "absolute or contains"),
        (b"--- a/x\n+++ b/x\n@@ -1,4 +1,4 @@\n 1\n-a\n+b\n 3\n", "announces 4 old"),
        (b"diff --git a/x b/x\nindex 1..2 100644\nBinary files a/x and b/x differ\n", "binary"),
        (b"diff --cc x\nindex 1,2..3\n--- a/x\n+++ b/x\n@@@ -1,1 -1,1 +1,1 @@@\n- a\n -b\n++c\n", "combined"),
        (b"Index: x\n3c3\n< a\n---\n> b\n", "normal diff"),
        (b"--- a/x\n+++ b/x\n@@ -7 +7 @@\n-a\n+b\n", "no unchanged line"),
    ],
)
def test_where_no_form_is_safe_there_is_a_reason(data: bytes, reason: str) -> None:
    found = canonical(parse(data))
    assert found.data is None
    assert found.sha256 is None
    assert reason in found.reason


BELOW_7 = b"@@ -3,4 +3,4 @@\n 3\n 4\n-5\n+V\n 6\n"


@TOOLS
@pytest.mark.parametrize("names", [b"--- a/%b\n+++ b/%b\n", b"diff --git a/%b b/%b\n--- a/%b\n+++ b/%b\n"])
@pytest.mark.parametrize("order", [1, -1])
def test_a_file_whose_name_patch_writes_the_old_text_to_has_no_form(names: bytes, order: int, tmp_path: Path) -> None:
    """With an offset or fuzz, GNU patch keeps the old text of a file under its name and `.orig`, whatever is there."""
    tree = {"x": b"".join(b"%d\n" % number for number in range(1, 8)), "x.orig": b"1\na\n3\n"}
    parts = [names.replace(b"%b", name) + hunk for name, hunk in ((b"x.orig", HUNK), (b"x", BELOW_7))]
    data = b"".join(parts[::order])
    if order > 0:  # the other way round it depends on the form of the header
        run("patch", "-p1", "-f", folder=write(tmp_path, tree), data=data)
        assert (tmp_path / "x.orig").read_bytes() != b"1\nb\n3\n"
    diff = parse(data)
    assert "order-counts" in diff.codes
    assert canonical(diff).data is None


@TOOLS
def test_a_note_that_stands_twice_has_no_form(tmp_path: Path) -> None:
    note = b"\\ No newline at end of file\n"
    data = b"--- a/x\n+++ b/x\n@@ -1,2 +1,2 @@\n 1\n-a\n" + note + note + b"+b\n"
    tree = {"x": b"1\na"}
    by_git, by_patch = (write(tmp_path / tool, tree) for tool in ("git", "patch"))
    assert run("git", "apply", "-", folder=by_git, data=data).returncode == 0
    assert run("patch", "-p1", "-f", folder=by_patch, data=data).returncode == 2
    found = canonical(parse(data))
    assert found.data is None
    assert "missing newline" in found.reason


@TOOLS
@pytest.mark.skipif(not SAMPLES.is_dir(), reason=f"no sample data in {SAMPLES} (set HITL_SAMPLE_DATA)")
@pytest.mark.parametrize("name", FILES)
def test_the_canonical_form_of_a_real_patch_changes_what_the_patch_changes(name: str, tmp_path: Path) -> None:
    """Files and counts are those of the original by git, and git and patch make the same tree of it."""
    compared = 0
    for number, data in patches(name):
        diff = parse(data)
        found = canonical(diff)
        original = run("git", "apply", "--numstat", "-", folder=tmp_path, data=data)
        if found.data is None or original.returncode or "hunk-left-out" in diff.codes:
            continue
        again = run("git", "apply", "--numstat", "-", folder=tmp_path, data=found.data)
        assert sorted(again.stdout.splitlines()) == sorted(original.stdout.splitlines()), number
        tree = old_side(list(diff.files))
        if tree is None:
            continue
        by_git, by_patch = (write(tmp_path / f"{number}-{tool}", tree) for tool in ("git", "patch"))
        git = run("git", "apply", "-", folder=by_git, data=found.data)
        patch = run("patch", "-p1", "-f", "--no-backup-if-mismatch", folder=by_patch, data=found.data)
        assert (git.returncode, patch.returncode) == (0, 0), (number, git.stderr, patch.stdout)
        assert read(by_git) == read(by_patch), number
        assert read(by_git) != tree, number
        compared += 1
        shutil.rmtree(by_git)
        shutil.rmtree(by_patch)
    assert compared


LINK = b"--- a/l\n+++ b/l\n@@ -1 +1 @@\n-old\n\\ No newline at end of file\n+new\n\\ No newline at end of file\n"


@pytest.mark.skipif(not shutil.which("git"), reason="git is not installed")
@pytest.mark.parametrize("mode", [b"100644", b"120000"])
@pytest.mark.parametrize("is_link", [True, False])
def test_a_file_is_no_link_to_the_canonical_form(mode: bytes, is_link: bool, tmp_path: Path) -> None:
    data = b"diff --git a/l b/l\nindex 1234567..89abcde " + mode + b"\n" + LINK
    safe = form(data)
    assert form(safe) == safe
    if is_link:
        (tmp_path / "l").symlink_to("old")
    else:
        (tmp_path / "l").write_bytes(b"old")
    codes = [run("git", "apply", "--check", folder=tmp_path, data=sent).returncode for sent in (data, safe)]
    assert codes[0] == codes[1] == (0 if is_link == (mode == b"120000") else 1)
