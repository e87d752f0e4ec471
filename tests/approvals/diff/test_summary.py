"""What intake keeps of a patch: why tools disagree, what else than lines changes, our marks, the old lines touched."""

import pytest

from approvals.diff.parse import parse
from approvals.diff.summary import Touched, summary

HUNK = b"@@ -1,3 +1,3 @@\n 1\n-a\n+b\n 3\n"
PLAIN = b"--- a/x.py\n+++ b/x.py\n" + HUNK


def test_a_plain_patch_has_nothing_to_look_at() -> None:
    found = summary(parse(PLAIN), [{"file": "x.py", "start": 2, "end": 2}])
    assert (found["ambiguous"], found["unusual"], found["marks"], found["worst_mark"]) == ("", "", [], "")
    assert found["canonical_sha256"]
    assert found["touched"] == [{"names": ["x.py"], "lines": [(2, 2)]}]


LIB = b"--- a/lib\n+++ b/lib\n"
LFS = (
    b"--- a/logo.png\n+++ b/logo.png\n@@ -1,3 +1,3 @@\n version https://git-lfs.github.com/spec/v1\n"
    b"-oid sha256:1\n+oid sha256:2\n size 9\n"
)


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"--- /dev/null\n+++ b/link\n", ""),
        (
            b"diff --git a/link b/link\nnew file mode 120000\n--- /dev/null\n+++ b/link\n@@ -0,0 +1 @@\n+/etc/passwd\n"
            b"\\ No newline at end of file\n",
            "a symbolic link",
        ),
        (b"--- a/../x\n+++ b/../x\n" + HUNK, "a path that leaves the tree"),
        (b"diff --git a/x b/x\nold mode 100644\nnew mode 104755\n", "a changed mode"),
        (
            b"diff --git a/x b/x\nindex 1..2\nBinary files a/x and b/x differ\n",
            "binary content that is not in the patch",
        ),
        (b"diff -r 12 logo.png\nBinary file logo.png has changed\n", "binary content that is not in the patch"),
        (b"Submodule lib 1111111..2222222:\n  > fix\n" + PLAIN, "a submodule"),
        (LIB + b"@@ -1 +1 @@\n-Subproject commit 1\n+Subproject commit 2\n", "a submodule"),
        (LIB + b"@@ -1 +1 @@\n+Subproject commit 2\n-Subproject commit 1\n", "a submodule"),
        (b"--- a/lib\n+++ /dev/null\n@@ -1 +0,0 @@\n-Subproject commit 1\n", "a submodule"),
        (LIB + b"@@ -1,2 +1,2 @@\n words\n-Subproject of\n+Subproject commit\n", ""),
        (LFS, "content that is kept elsewhere"),
        (
            b"--- /dev/null\n+++ b/logo\n@@ -0,0 +1 @@\n+/annex/objects/SHA256E-s9--ab.png\n",
            "content that is kept elsewhere",
        ),
        (LFS.replace(b"-oid", b" oid").replace(b"+oid", b" oid").replace(b" size", b"-size"), ""),
    ],
)
def test_what_is_no_line_of_text_is_named(data: bytes, words: str) -> None:
    assert summary(parse(data))["unusual"] == words


def test_the_reason_why_tools_disagree_is_a_sentence() -> None:
    found = summary(parse(b"--- a/x\n+++ b/y\n" + HUNK))
    assert "git apply changes the second" in found["ambiguous"]
    assert found["worst_mark"] == "Tools read it differently"
    assert (found["canonical_sha256"], found["no_canonical"]) == (None, found["ambiguous"])


@pytest.mark.parametrize(
    "data", [b"", b"only words", b"diff --cc x\n--- a/x\n+++ b/x\n@@@ -1 -1 +1 @@@\n- a\n -b\n++c\n"]
)
def test_what_no_tool_applies_is_ambiguous(data: bytes) -> None:
    assert summary(parse(data))["ambiguous"]


def touched(data: bytes) -> list[Touched]:
    return summary(parse(data))["touched"]


def test_both_names_of_a_rename_are_touched() -> None:
    renamed = b"diff --git a/old.py b/new.py\nsimilarity index 90%\nrename from old.py\nrename to new.py\n"
    assert touched(renamed)[0]["names"] == ["old.py", "new.py"]


def test_each_run_of_changed_old_lines_counts_and_an_addition_counts_where_it_is_put() -> None:
    hunk = b"@@ -10,6 +10,7 @@\n 10\n-11\n-12\n+x\n 13\n 14\n+y\n+z\n 15\n"
    assert touched(b"--- a/x\n+++ b/x\n" + hunk)[0]["lines"] == [(11, 12), (14, 14)]


def test_a_context_diff_counts_the_old_half() -> None:
    hunk = b"***************\n*** 2,4 ****\n  2\n! a\n  4\n--- 2,4 ----\n  2\n! b\n  4\n"
    assert touched(b"*** a/x\n--- b/x\n" + hunk)[0]["lines"] == [(3, 3)]
