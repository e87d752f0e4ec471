"""One hand-written patch for each format people send, and what must be read from it."""

import pytest

from approvals.diff.parse import parse
from approvals.diff.structure import Diff, File

MAIL = b"""From 5c71d8b0 Mon Sep 17 00:00:00 2001
From: Ada <ada@example.org>
Subject: [PATCH] Drop the old check

Words about it.
---
 q.sql | 3 +--
 1 file changed, 1 insertion(+), 2 deletions(-)

diff --git a/q.sql b/q.sql
index 1111111..2222222 100644
--- a/q.sql
+++ b/q.sql
@@ -1,4 +1,3 @@ begin
 select 1;
--- an old comment
-select 2;
+select 3;
 select 4;
-- \n2.39.2

"""

PLAIN = b"""--- src/x.c.orig\t2020-01-01 10:00:00.000000000 +0100
+++ src/x.c\t2020-01-02 10:00:00.000000000 +0100
@@ -1,2 +1,2 @@
 int a;
-int b;
+int c;
"""


def exact(data: bytes) -> Diff:
    """Parse and insist on the bytes."""
    diff = parse(data)
    assert diff.parsed
    assert diff.to_bytes() == data
    return diff


def only_file(data: bytes) -> File:
    """Parse a patch that changes one file."""
    (file,) = exact(data).files
    return file


BY_TOOLS = {
    "crlf-headers",
    "git-refuses",
    "no-prefix",
    "hunk-left-out",
    "hunk-tail",
    "patch-reads-more",
    "patch-stops",
    "zero-context",
}
"""What other tools make of a patch is held against those tools in `test_agreement`."""


def codes(diff: Diff) -> list[str]:
    """Return the codes of the warnings about the patch itself."""
    return [warning.code for warning in diff.warnings if warning.code not in BY_TOOLS]


def test_a_mail_of_format_patch_has_words_a_file_and_a_footer() -> None:
    diff = exact(MAIL)
    assert [getattr(chunk, "kind", "file") for chunk in diff.chunks] == ["mail", "file", "footer"]
    assert b"Words about it." in diff.chunks[0].to_bytes()
    assert (diff.additions, diff.deletions) == (1, 2)
    assert codes(diff) == []


def test_a_deleted_sql_comment_is_a_line_and_the_mail_footer_is_not() -> None:
    (hunk,) = exact(MAIL).files[0].hunks
    assert [line.text for line in hunk.lines if line.kind == "delete"] == ["-- an old comment", "select 2;"]
    assert hunk.heading == "begin"


@pytest.mark.parametrize("footer", [b"-- \n2.39.2\n\n", b"--\n2.17.1 (Apple Git-112)\n", b"-- \nGitLab\n\n"])
def test_the_footer_is_no_deletion_though_the_counts_ask_for_more(footer: bytes) -> None:
    data = b"--- a/x\n+++ b/x\n@@ -1,4 +1,3 @@\n a\n-b\n+c\n d\n" + footer
    diff = exact(data)
    assert (diff.additions, diff.deletions) == (1, 1)
    assert {("hunk-counts", 3), ("patch-reads-more", 8), ("git-reads-more", 8)} == {
        (warning.code, warning.line) for warning in diff.warnings
    }


def test_a_deleted_list_item_that_looks_like_a_footer_is_content() -> None:
    file = only_file(b"--- a/x\n+++ b/x\n@@ -1,3 +1,1 @@\n-- \n-2.39.2\n a\n")
    assert file.deletions == 2


def test_several_mails_in_one_file_are_told() -> None:
    diff = exact(MAIL + MAIL)
    assert len(diff.files) == 2
    assert codes(diff) == ["mail", "duplicate-file", "order-counts"]
    assert diff.files[0].key != diff.files[1].key


def test_names_with_one_beginning_of_a_digest_have_keys_of_their_own() -> None:
    """Both names begin with c991b5b0dc27 in SHA-256."""
    change = b"--- a/%b\n+++ b/%b\n@@ -1 +1 @@\n-a\n+b\n"
    names = [b"tests/fixtures/case-04715c0.json", b"tests/fixtures/case-0a4bc9a.json"]
    diff = exact(b"".join(change % (name, name) for name in [*names, *names]))
    assert len({file.key for file in diff.files}) == 4
    [alone] = exact(change % (names[0], names[0])).files
    assert diff.files[0].key == alone.key


def test_git_diff_takes_the_prefix_off_and_keeps_modes() -> None:
    file = only_file(b"diff --git a/d/x b/d/x\nold mode 100644\nnew mode 100755\n")
    assert (file.path, file.change, file.old_mode, file.new_mode) == ("d/x", "mode", "100644", "100755")


def test_quoted_paths_with_octal_escapes_are_decoded() -> None:
    old, new = (rb'"%b/na\303\257ve \"x\"\t.txt"' % side for side in (b"a", b"b"))
    data = b"diff --git %b %b\n--- %b\n+++ %b\n@@ -1 +1 @@\n-a\n+b\n" % (old, new, old, new)
    assert only_file(data).path == 'naïve "x"\t.txt'
    assert only_file(data.partition(b"---")[0]).path == 'naïve "x"\t.txt'


def test_no_prefix_keeps_a_folder_called_a() -> None:
    file = only_file(b"diff --git a/x.c a/x.c\n--- a/x.c\n+++ a/x.c\n@@ -1 +1 @@\n-a\n+b\n")
    assert (file.old_path, file.new_path) == ("a/x.c", "a/x.c")


def test_names_with_blanks_are_split_in_the_middle() -> None:
    file = only_file(b"diff --git a/two words b/two words\nnew file mode 100644\nindex 0000000..e69de29\n")
    assert (file.path, file.change, file.old_path, file.new_mode) == ("two words", "added", None, "100644")


@pytest.mark.parametrize(("verb", "change"), [(b"rename", "renamed"), (b"copy", "copied")])
def test_renames_and_copies_have_both_names_and_a_similarity(verb: bytes, change: str) -> None:
    header = b"diff --git a/old name b/lib/new\nsimilarity index 97%%\n%b from old name\n%b to lib/new\n" % (verb, verb)
    file = only_file(header)
    assert (file.change, file.old_path, file.new_path, file.similarity) == (change, "old name", "lib/new", 97)


def test_added_and_deleted_files_are_told_by_git_and_by_dev_null() -> None:
    added = only_file(b"--- /dev/null\n+++ b/x\n@@ -0,0 +1 @@\n+a\n")
    deleted = only_file(b"diff --git a/x b/x\ndeleted file mode 100644\n--- a/x\n+++ /dev/null\n@@ -1 +0,0 @@\n-a\n")
    assert (added.change, added.old_path, added.new_path) == ("added", None, "x")
    assert (deleted.change, deleted.path, deleted.new_path, deleted.new_mode) == ("deleted", "x", None, None)


def test_diff_with_new_files_marks_them_by_the_time_zero() -> None:
    names = b"diff -ruN a/x b/x\n--- a/x\t1970-01-01 01:00:00.000000000 +0100\n+++ b/x\t2020-01-01 10:00:00\n"
    file = only_file(names + b"@@ -0,0 +1 @@\n+a\n")
    assert (file.change, file.header_lines[0][:10]) == ("added", b"diff -ruN ")


def test_plain_diff_has_time_stamps_after_a_tab() -> None:
    file = only_file(PLAIN)
    assert (file.path, file.old_path, file.change) == ("src/x.c", "src/x.c.orig", "modified")


def test_a_tab_that_became_blanks_still_ends_the_name() -> None:
    file = only_file(PLAIN.replace(b"\t", b"    "))
    assert file.path == "src/x.c"


def test_release_folders_are_taken_off_like_a_and_b() -> None:
    file = only_file(b"--- foo-1.0.orig/lib/x.c\n+++ foo-1.0/lib/x.c\n@@ -1 +1 @@\n-a\n+b\n")
    assert file.path == "lib/x.c"


def test_index_lines_of_subversion_and_quilt_belong_to_the_file() -> None:
    rule = b"=" * 67 + b"\n"
    diff = exact(b"Index: x.c\n" + rule + PLAIN + b"Index: y.c\n" + rule + PLAIN.replace(b"src/x.c", b"y.c"))
    assert [file.path for file in diff.files] == ["src/x.c", "y.c"]
    assert [file.header_lines[0] for file in diff.files] == [b"Index: x.c\n", b"Index: y.c\n"]
    assert codes(diff) == ["names-differ"]  # x.c and src/x.c: GNU patch takes the one that is there


def test_cvs_headers_belong_to_the_file() -> None:
    header = b"Index: x.c\n======\nRCS file: /cvs/x.c,v\nretrieving revision 1.1\ndiff -u -r1.1 x.c\n"
    file = only_file(header + b"--- x.c\t1 Jan 2003 10:00:00 -0000\t1.1\n+++ x.c\t2 Jan 2003\n@@ -1 +1 @@\n-a\n+b\n")
    assert (file.path, len(file.header_lines)) == ("x.c", 7)


def test_git_binary_patch_is_kept_and_told() -> None:
    data = (
        b"diff --git a/i.png b/i.png\nindex 1..2 100644\nGIT binary patch\nliteral 4\nLcmZQzU|?i`00aO5\n\n"
        b"literal 0\nHcmV?d00001\n\ndiff --git a/x b/x\n--- a/x\n+++ b/x\n@@ -1 +1 @@\n-a\n+b\n"
    )
    diff = exact(data)
    assert [(file.path, file.binary) for file in diff.files] == [("i.png", True), ("x", False)]
    assert codes(diff) == ["binary"]
    assert len(diff.files[0].trailer) == 7


@pytest.mark.parametrize(
    "data",
    [
        b"diff --git a/i.png b/i.png\nindex 1..2 100644\nBinary files a/i.png and b/i.png differ\n",
        b"diff -r old/i.png new/i.png\nBinary files old/i.png and new/i.png differ\n",
        b"Binary files old/i.png and new/i.png differ\n",
        b"Index: i.png\n=====\nCannot display: file marked as a binary type.\n",
    ],
)
def test_binary_files_without_content_are_told(data: bytes) -> None:
    diff = exact(data)
    assert [(file.path, file.binary) for file in diff.files] == [("i.png", True)]
    assert codes(diff) == ["binary-absent"]


def test_a_context_diff_has_both_halves() -> None:
    data = b"""*** a/x.c\tMon Jan  1 10:00:00 2001
--- b/x.c\tMon Jan  1 11:00:00 2001
*************** int main
*** 10,13 ****
  one
! two
- three
  four
--- 10,13 ----
  one
! TWO
  four
+ five
***************
*** 30,31 ****
--- 31,33 ----
  x
+ y
  z
"""
    diff = exact(data)
    first, second = diff.files[0].hunks
    assert codes(diff) == ["context-diff"]
    assert (diff.additions, diff.deletions) == (3, 2)
    assert (first.form, first.heading, first.old_start, first.new_count) == ("context", "int main", 10, 4)
    assert [(line.kind, line.text, line.old_no, line.new_no) for line in first.lines][1] == ("delete", "two", 11, None)
    assert [(line.kind, line.text, line.new_no) for line in second.lines][1:] == [
        ("context", "x", 31),
        ("add", "y", 32),
        ("context", "z", 33),
    ]


def test_a_combined_diff_counts_against_the_result() -> None:
    header = b"diff --cc x.c\nindex 1,2..3\n--- a/x.c\n+++ b/x.c\n@@@ -1,3 -1,3 +1,4 @@@ main\n"
    diff = exact(header + b"  a\n- b\n -c\n++d\n +e\n  f\n")
    (file,) = diff.files
    (hunk,) = file.hunks
    assert (hunk.form, hunk.sign_width, diff.additions, diff.deletions) == ("combined", 2, 2, 2)
    assert [line.new_no for line in hunk.lines] == [1, None, None, 2, 3, 4]
    assert [line.text for line in hunk.lines] == ["a", "b", "c", "d", "e", "f"]
    assert codes(diff) == ["combined-diff"]


def test_crlf_all_over_is_read_and_told() -> None:
    diff = exact(PLAIN.replace(b"\n", b"\r\n"))
    assert (diff.additions, diff.deletions) == (1, 1)
    assert codes(diff) == ["crlf"]
    assert [line.ending for line in diff.files[0].hunks[0].lines] == ["\r\n"] * 3
    assert diff.files[0].hunks[0].lines[0].text == "int a;"


def test_mixed_endings_are_told() -> None:
    diff = exact(b"--- a/x\n+++ b/x\n@@ -1,2 +1,2 @@\n a\n-b\n+b\r\n")
    assert diff.files[0].mixed_endings
    assert codes(diff) == ["mixed-endings"]


def test_a_missing_newline_is_a_note_and_told_for_its_side() -> None:
    diff = exact(b"--- a/x\n+++ b/x\n@@ -1 +1 @@\n-a\n\\ No newline at end of file\n+b\n")
    assert [line.kind for line in diff.files[0].hunks[0].lines] == ["delete", "note", "add"]
    assert [(warning.code, warning.line) for warning in diff.warnings] == [("no-newline", 4)]
    assert "old version" in diff.warnings[0].message


def test_symbolic_links_and_submodules_are_told() -> None:
    link = exact(b"diff --git a/l b/l\nnew file mode 120000\n--- /dev/null\n+++ b/l\n@@ -0,0 +1 @@\n+/etc/passwd\n")
    module = exact(
        b"diff --git a/m b/m\nindex 1..2 160000\n--- a/m\n+++ b/m\n@@ -1 +1 @@\n-Subproject commit 1\n+Sub\n"
    )
    assert link.files[0].symlink
    assert codes(link) == ["symlink"]
    assert module.files[0].submodule
    assert codes(module) == ["submodule"]


@pytest.mark.parametrize("data", [b"", b"\n", b"Only words.\n--- a\nmore\n", b"\0\xff\xfe", b"+++\n---\n@@\n***\n"])
def test_text_without_a_change_has_no_file_and_says_so(data: bytes) -> None:
    diff = exact(data)
    assert diff.files == ()
    assert codes(diff) == ["no-files" if data else "empty"]


def test_an_ed_script_is_not_blamed_for_lines_it_never_shows() -> None:
    diff = exact(b"Index: x\n3,4c\nb\n.\n")
    assert codes(diff) == ["only-patch"]
    said = [warning.message for warning in diff.warnings]
    assert said == [
        "GNU patch changes x by an ed script, which does not show the lines it takes away, here; git apply and git am "
        "pass over these lines."
    ]
