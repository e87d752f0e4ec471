"""The digests of the changed lines alone: what counts as the same change, and what does not."""

import pytest

from approvals.diff.parse import parse
from approvals.diff.same_lines import SameLines, same_lines
from approvals.diff.summary import summary

HUNK = b"@@ -1,3 +1,3 @@\n 1\n-a\n+b\n 3\n"
PLAIN = b"--- a/x.c\n+++ b/x.c\n" + HUNK


def of(data: bytes, *declared: str) -> SameLines:
    parsed = parse(data)
    return same_lines(parsed, summary(parsed, [{"file": name} for name in declared])["marks"])


@pytest.mark.parametrize(
    "data",
    [
        b"From: Ada\nSubject: Fix\n\nWhy.\n---\n x.c | 2 +-\n\n" + PLAIN + b"-- \n2.39\n",
        b"diff --git a/x.c b/x.c\nindex 1234567..89abcde 100644\n" + PLAIN,
        b"--- lib-1.0/x.c\n+++ lib-1.0.1/x.c\n" + HUNK,
        b"--- a/other/y.c\n+++ b/other/y.c\n" + HUNK,
        b"--- a/x.c\n+++ b/x.c\n@@ -81,3 +91,3 @@ int main()\n un\n-a\n+b\n trois\n",
        b"--- a/x.c\n+++ b/x.c\n@@ -2 +2 @@\n-a\n+b\n",
        b"*** a/x.c\n--- b/x.c\n***************\n*** 1,3 ****\n  1\n! a\n  3\n--- 1,3 ----\n  1\n! b\n  3\n",
        PLAIN.removesuffix(b"\n"),
    ],
)
def test_words_headers_names_places_and_context_do_not_count(data: bytes) -> None:
    assert of(data).exact == of(PLAIN).exact is not None
    assert of(data).spaceless == of(PLAIN).spaceless


@pytest.mark.parametrize(
    "data",
    [
        PLAIN.replace(b"+b", b"+c"),
        PLAIN.replace(b"-a\n+b\n", b"-a\n+b\n+b\n").replace(b"+1,3", b"+1,4"),
        PLAIN.replace(b"-a\n+b\n", b"-b\n+a\n"),
        b"--- a/x.c\n+++ b/x.c\n@@ -1,2 +1,2 @@\n 1\n-a\n+b\n\\ No newline at end of file\n",
    ],
)
def test_another_line_sign_or_ending_of_the_file_is_another_change(data: bytes) -> None:
    assert of(data).exact != of(PLAIN).exact


@pytest.mark.parametrize("line", [b"+ b\n", b"+\tb\n", b"+b \n", b"+b\r\n"])
def test_whitespace_counts_in_one_digest_and_not_in_the_other(line: bytes) -> None:
    spaced = of(PLAIN.replace(b"+b\n", line))
    assert spaced.exact != of(PLAIN).exact
    assert spaced.spaceless == of(PLAIN).spaceless


def test_no_digest_joins_what_stands_on_two_lines() -> None:
    two = of(b"--- a/x\n+++ b/x\n@@ -0,0 +1,2 @@\n+a\n+b\n")
    one = of(b"--- a/x\n+++ b/x\n@@ -0,0 +1 @@\n+a+b\n")
    assert two.exact != one.exact
    assert two.spaceless != one.spaceless


@pytest.mark.parametrize(
    "data", [b"", b"No diff.\n", b"diff --git a/x b/x\nold mode 100644\nnew mode 100755\n", b"--- a/x\n+++ b/x\n"]
)
def test_a_patch_that_changes_no_line_is_like_no_other(data: bytes) -> None:
    found = of(data)
    assert (found.exact, found.spaceless, found.files) == (None, None, None)


@pytest.mark.parametrize(
    "data",
    [
        b"--- a/y.c\n+++ b/y.c\n" + HUNK,
        b"diff --git a/x.c b/x.c\nold mode 100644\nnew mode 100755\n" + PLAIN,
        b"diff --git a/x.c b/y.c\nrename from x.c\nrename to y.c\n--- a/x.c\n+++ b/y.c\n" + HUNK,
        PLAIN + b"diff --git a/z b/z\nBinary files a/z and b/z differ\n",
    ],
)
def test_the_digest_of_the_files_tells_other_names_modes_and_content(data: bytes) -> None:
    assert of(data).exact == of(PLAIN).exact
    assert of(data).files != of(PLAIN).files


def test_the_digest_of_the_files_tells_the_object_that_git_takes_for_binary_content() -> None:
    binary = b"diff --git a/z b/z\nindex 1234567..%b 100644\nGIT binary patch\nliteral 3\nKcmb=J00961\n\n"
    assert of(PLAIN + binary % b"89abcde").files != of(PLAIN + binary % b"edcba98").files


def test_the_digest_of_the_files_tells_in_which_file_a_line_is_changed() -> None:
    def both(first: bytes, second: bytes) -> SameLines:
        hunks = [b"@@ -0,0 +1,%d @@\n%b" % (lines.count(b"\n"), lines) for lines in (first, second)]
        return of(b"--- a/x\n+++ b/x\n%b--- a/y\n+++ b/y\n%b" % (hunks[0], hunks[1]))

    assert both(b"+1\n+2\n", b"+3\n").exact == both(b"+1\n", b"+2\n+3\n").exact
    assert both(b"+1\n+2\n", b"+3\n").files != both(b"+1\n", b"+2\n+3\n").files


def test_the_codes_are_those_of_warnings_hostile_and_scope_marks() -> None:
    assert of(PLAIN).codes == ()
    hidden = PLAIN.replace(b"-a\n+b\n", b"-a\n+b\xe2\x80\xae\r\n")
    assert {"outside", "bidi-unbalanced", "mixed-endings"} <= set(of(hidden, "other.c").codes)
