"""Lines that GNU patch obeys where a reader sees words or unchanged lines: they are shown as changes, or marked."""

import shutil
from pathlib import Path

import pytest

from approvals.diff.canonical import canonical
from approvals.diff.interdiff import compare
from approvals.diff.parse import parse
from approvals.diff.summary import summary
from tests.approvals.diff.tools import applied, patched, run

pytestmark = pytest.mark.skipif(
    not shutil.which("git") or not shutil.which("patch"), reason="git or patch is not installed"
)

TREE = {"x": b"1\n2\n3\n4\n5\n", "y": b"a\nb\nc\nd\ne\n", "k": b"k\n"}
NAMES = b"*** a/x\n--- b/x\n***************\n"
OLD = b"*** 1,5 ****\n  1\n- 2\n  3\n  4\n  5\n"
CHANGE = b"--- a/y\n+++ b/y\n@@ -1,3 +1,3 @@\n a\n-b\n+B\n c\n"
MODE = b"diff --git a/k b/k\nold mode 100644\nnew mode 100755\n"
COPY = b"diff --git a/k b/n\nsimilarity index 100%\ncopy from k\ncopy to n\n"


def indented(lines: bytes, blanks: bytes) -> bytes:
    return b"".join(blanks + line for line in lines.splitlines(keepends=True))


LEFT_OUT = {
    "indented by one": indented(CHANGE, b" "),
    "indented by one behind an unchanged line": b"  1\n" + indented(CHANGE, b" "),
    "behind unchanged lines and an empty one": b"  1\n  3\n\n" + CHANGE,
    "behind unchanged lines and a tab": b"  1\n\t3\n" + CHANGE,
    "a normal diff behind unchanged lines": b"  1\n  3\nIndex: a/y\n2c2\n< b\n---\n> B\n",
    "an indented ed script": indented(b"Index: a/y\n2c\nB\n.\n", b" "),
}


@pytest.mark.parametrize("case", LEFT_OUT)
def test_a_change_in_a_new_half_that_is_left_out_is_shown(case: str, tmp_path: Path) -> None:
    data = NAMES + OLD + b"--- 1,4 ----\n" + LEFT_OUT[case]
    after = patched(tmp_path, TREE, data)
    assert after["x"] == b"1\n3\n4\n5\n"
    assert after["y"] == b"a\nB\nc\nd\ne\n"
    diff = parse(data)
    assert diff.to_bytes() == data
    assert [file.path for file in diff.files] == ["x", "y"]


@pytest.mark.parametrize("new", [b"  1\n  3\n  4\n  5\n", b"", b"  1\n  3\n"])
def test_a_new_half_without_changes_is_the_old_one_written_or_not(new: bytes, tmp_path: Path) -> None:
    data = NAMES + OLD + b"--- 1,4 ----\n" + new
    assert patched(tmp_path, TREE, data)["x"] == b"1\n3\n4\n5\n"
    [file] = parse(data).files
    assert (file.additions, file.deletions) == (0, 1)
    assert parse(data).to_bytes() == data


def test_a_short_note_in_a_context_diff_ends_no_half(tmp_path: Path) -> None:
    data = NAMES + b"*** 5 ****\n! 5\n\\\n--- 5 ----\n! five\n\\\n"
    assert patched(tmp_path, TREE | {"x": b"1\n2\n3\n4\n5"}, data)["x"] == b"1\n2\n3\n4\nfive"
    [file] = parse(data).files
    assert (file.additions, file.deletions) == (1, 1)


STRAY = {
    "a nested name behind a copy": COPY + b"- --- a/k\n",
    "a nested name behind a move": COPY.replace(b"copy", b"rename") + b"- --- a/k\n",
    "a mode among the unchanged lines of a hunk that patch leaves out": b"--- a/x\n+++ b/x\n@@ -1 +1 @@\n-1\n+one\n\n"
    b"@@ -2,4 +2,5 @@\n 2\n" + indented(MODE, b" ") + b"+new\n",
    "a mode among the unchanged lines of a context diff": NAMES + OLD + b"--- 1,4 ----\n" + indented(MODE, b" "),
    "a null device in words before a copy": COPY + b"Words\n *** /dev/null\n",
}


@pytest.mark.parametrize("case", STRAY)
def test_a_header_that_stands_in_none_is_marked_at_its_line(case: str) -> None:
    diff = parse(STRAY[case])
    assert diff.to_bytes() == STRAY[case]
    assert "stray-header" in diff.codes
    assert canonical(diff).data is None
    assert summary(diff)["ambiguous"]


def test_the_tools_differ_where_a_nested_name_stands_behind_a_copy(tmp_path: Path) -> None:
    data = STRAY["a nested name behind a copy"]
    assert "n" in applied(tmp_path / "git", TREE, data)
    assert "n" not in patched(tmp_path / "patch", TREE, data)


@pytest.mark.parametrize(
    "words", [b"", b"- a list\n", b"---\n", b"***\n", b"Index\n", b"  --- \n", b"old mode 100644\n"]
)
def test_words_that_look_like_a_header_and_are_none_are_words(words: bytes) -> None:
    assert "stray-header" not in parse(words + b"\n" + CHANGE).codes


def test_a_submodule_moves_by_a_line_of_text_and_is_called_one(tmp_path: Path) -> None:
    before, after = (digit * 40 for digit in ("1", "2"))
    data = f"--- a/lib\n+++ b/lib\n@@ -1 +1 @@\n-Subproject commit {before}\n+Subproject commit {after}\n".encode()
    for command in (["init", "-q"], ["update-index", "--add", "--cacheinfo", f"160000,{before},lib"]):
        run("git", *command, folder=tmp_path, data=b"")
    (tmp_path / "lib").mkdir()
    run("git", "apply", "--cached", "-", folder=tmp_path, data=data)
    assert f"160000 {after}" in run("git", "ls-files", "-s", folder=tmp_path, data=b"").stdout.decode()
    [file] = parse(data).files
    assert file.submodule
    assert canonical(parse(data)).data is None


def test_quilt_removes_a_file_that_is_left_empty_and_the_page_says_so(tmp_path: Path) -> None:
    data = b"--- a/k\n+++ b/k\n@@ -1 +0,0 @@\n-k\n"
    assert applied(tmp_path / "git", TREE, data)["k"] == b""
    assert "k" not in patched(tmp_path / "patch", TREE, data, "-E")
    [words] = [warning.message for warning in parse(data).warnings]
    assert "quilt" in words


def test_a_short_note_behind_a_hunk_is_told_from_one_behind_words(tmp_path: Path) -> None:
    change = b"--- /dev/null\n+++ b/n\n@@ -0,0 +1 @@\n+1\n"
    noted, apart = change + b"\\", change + b"words\n\\"
    assert patched(tmp_path / "noted", TREE, noted)["n"] == b"1"
    assert patched(tmp_path / "apart", TREE, apart)["n"] == b"1\n"
    assert compare(parse(noted), parse(apart)).read_otherwise


def test_one_more_half_that_is_cut_short_is_no_equal_revision() -> None:
    whole = NAMES + b"*** 1,2 ****\n  1\n- 2\n--- 1,2 ----\n  1\n+ two\n"
    short = b"***************\n*** 4,5 ****\n  4\n- 5\n--- 4,6 ----\n  4\n+ five\n"
    longer = (
        whole.replace(b"  1\n- 2", b"  1\n- 2\n  3", 1).replace(b"*** 1,2", b"*** 1,3").replace(b"--- 1,2", b"--- 1,3")
    )
    assert compare(parse(longer + b"  3\n" + short), parse(longer + b"  3\n" + short)).read_otherwise is False
    assert compare(parse(longer + b"  3\n" + short), parse(longer + short)).read_otherwise
