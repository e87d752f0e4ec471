"""What is wrong with real patches: counts, lost blanks, stray text, odd names. Formats as such are elsewhere."""

import json
import time
from typing import Any

import pytest

from approvals.diff.notices import PER_CODE, TOTAL, Notices
from approvals.diff.parse import parse
from approvals.diff.source import BudgetSpent, Source
from approvals.diff.summary import summary
from approvals.views.odd import by_line, of_header
from tests.approvals.diff.test_formats import codes, exact, only_file

HEADER = b"--- a/x\n+++ b/x\n"


def kinds(data: bytes) -> list[str]:
    """Return the kinds of the lines of the first hunk."""
    return [line.kind for line in exact(data).files[0].hunks[0].lines]


def test_context_lines_whose_blank_was_eaten_are_context() -> None:
    diff = exact(HEADER + b"@@ -1,4 +1,4 @@\n\tint a;\n\n-\tint b;\n+\tint c;\n\t}\n")
    assert [line.kind for line in diff.files[0].hunks[0].lines] == ["context", "context", "delete", "add", "context"]
    assert diff.files[0].hunks[0].lines[0].text == "\tint a;"
    # git refuses such a line, GNU patch takes it as unchanged
    assert [(warning.code, warning.line) for warning in diff.warnings] == [("blank-eaten", 4), ("git-refuses", 4)]


def test_a_removed_line_that_looks_like_a_header_is_content_while_the_counts_ask_for_it() -> None:
    file = only_file(HEADER + b"@@ -1,3 +1,2 @@\n a\n--- a/y\n+++ b/y\n-c\n")
    assert (file.additions, file.deletions) == (1, 2)


def test_two_lines_that_look_like_a_header_end_a_hunk_before_the_next_one() -> None:
    diff = exact(HEADER + b"@@ -1,2 +1,2 @@\n a\n--- a/y\n+++ b/y\n@@ -9 +9 @@\n-c\n+d\n")
    assert len(diff.files) == 1
    assert (diff.additions, diff.deletions) == (2, 2)
    assert codes(diff) == []


def test_a_header_inside_the_counts_begins_a_new_file_when_a_hunk_follows() -> None:
    diff = exact(HEADER + b"@@ -1,9 +1,9 @@\n a\n-b\n+c\n--- a/y\n+++ b/y\n@@ -1 +1 @@\n-c\n+d\n")
    assert [file.path for file in diff.files] == ["x", "y"]
    assert codes(diff) == ["hunk-counts"]


def test_changed_lines_beyond_the_counts_are_shown_and_told() -> None:
    diff = exact(HEADER + b"@@ -1,2 +1,2 @@\n a\n-b\n+c\n d\n+evil();\n e\n")
    assert (diff.additions, diff.deletions) == (2, 1)
    assert codes(diff) == ["hunk-counts", "text-between"]
    assert "1 changed line after the announced ones would be left out" in diff.warnings[0].message


def test_counts_too_large_end_at_the_next_file() -> None:
    diff = exact(
        HEADER + b"@@ -1,50 +1,50 @@\n a\n-b\n+c\n\ndiff --git a/y b/y\n--- a/y\n+++ b/y\n@@ -1 +1 @@\n-c\n+d\n"
    )
    assert [file.additions for file in diff.files] == [1, 1]
    assert codes(diff) == ["hunk-counts"]


def test_counts_of_zero_do_not_hide_what_follows() -> None:
    diff = exact(HEADER + b"@@ -0,0 +0,0 @@\n-a\n+b\n")
    assert (diff.additions, diff.deletions) == (1, 1)
    assert codes(diff) == ["hunk-counts"]


def test_the_words_after_a_hunk_are_not_part_of_it() -> None:
    diff = exact(HEADER + b"@@ -1,3 +1,3 @@\n a\n-b\n+c\n d\n\nSome words.\n - a list\n")
    assert diff.files[0].hunks[0].lines[-1].text == "d"
    assert codes(diff) == ["text-between"]


@pytest.mark.parametrize("header", [b"@@\n", b"@@ ... @@\n", b"@@ def f(): @@\n", b"@@ -99999999999999999999 +1 @@\n"])
def test_hunks_without_numbers_are_read_by_their_content(header: bytes) -> None:
    diff = exact(HEADER + header + b" a\n-b\n+c\n d\n")
    (hunk,) = diff.files[0].hunks
    assert [line.kind for line in hunk.lines] == ["context", "delete", "add", "context"]
    assert {line.old_no for line in hunk.lines} == {None}
    assert codes(diff) == ["hunk-numbers"]


def test_a_wrapped_line_stays_inside_its_hunk() -> None:
    data = HEADER + b"@@ -1,3 +1,3 @@\n a long\nwrapped line\n-b\n+c\n d\n"
    assert kinds(data) == ["context", "other", "delete", "add", "context"]
    assert codes(parse(data)) == ["foreign-line"]


def test_text_between_header_and_hunk_is_kept_in_the_file() -> None:
    diff = exact(HEADER + b"\nCVE: CVE-2020-14155\n\n@@ -1 +1 @@\n-a\n+b\n")
    assert codes(diff) == ["text-in-file"]
    assert len(diff.files[0].header_lines) == 5


def test_text_between_two_hunks_is_kept_where_it_stood() -> None:
    diff = exact(HEADER + b"@@ -1 +1 @@\n-a\n+b\nwords\n@@ -5 +5 @@\n-c\n+d\n")
    assert [line.kind for line in diff.files[0].hunks[0].lines] == ["delete", "add", "other"]
    assert len(diff.files[0].hunks) == 2
    assert codes(diff) == ["text-in-file"]


def test_text_between_files_is_told_with_its_line() -> None:
    diff = exact(HEADER + b"@@ -1 +1 @@\n-a\n+b\nhello\n" + b"--- a/y\n+++ b/y\n@@ -1 +1 @@\n-a\n+b\n")
    assert [(warning.code, warning.line) for warning in diff.warnings] == [("text-between", 6)]


def test_a_hunk_without_a_file_is_shown_as_one_without_a_name() -> None:
    diff = exact(b"Some words.\n@@ -1 +1 @@\n-a\n+b\n")
    assert diff.files[0].path == "(no name)"
    assert codes(diff) == ["no-name"]


@pytest.mark.parametrize("header", [b"+++ b/x\n", b"--- a/x\n"])
def test_a_header_with_one_half_is_read_and_told(header: bytes) -> None:
    diff = exact(header + b"@@ -1 +1 @@\n-a\n+b\n")
    assert (diff.additions, diff.deletions) == (1, 1)
    assert codes(diff) == ["half-header"]


@pytest.mark.parametrize("name", [b"/etc/passwd", b"a/../../etc/passwd", b"C:\\x", b"..\\x"])
def test_paths_that_leave_the_tree_are_told(name: bytes) -> None:
    diff = exact(b"--- %b\n+++ %b\n@@ -1 +1 @@\n-a\n+b\n" % (name, name))
    assert codes(diff) == ["path-outside"]


def test_a_path_with_invisible_characters_is_told() -> None:
    name = "a/x\u202ecod.py".encode()
    assert "path-invisible" in codes(exact(b"--- %b\n+++ %b\n@@ -1 +1 @@\n-a\n+b\n" % (name, name)))


def test_a_path_never_holds_a_nul() -> None:
    file = only_file(b'--- "a/x\\000y"\n+++ "b/x\\000y"\n@@ -1 +1 @@\n-a\n+b\n')
    assert file.path == "x\ufffdy"


def test_headers_that_name_different_files_are_told() -> None:
    diff = exact(b"diff --git a/x b/x\n--- a/y\n+++ b/y\n@@ -1 +1 @@\n-a\n+b\n")
    assert codes(diff) == ["name-mismatch"]
    assert diff.files[0].path == "y"


def test_a_file_changed_twice_is_told() -> None:
    one = HEADER + b"@@ -1 +1 @@\n-a\n+b\n"
    assert codes(exact(one + one)) == ["duplicate-file", "order-counts"]


def test_a_hunk_that_goes_back_is_told() -> None:
    assert codes(exact(HEADER + b"@@ -9 +9 @@\n-a\n+b\n@@ -1 +1 @@\n-a\n+b\n")) == ["hunk-order"]


def test_a_header_without_change_is_told() -> None:
    assert codes(exact(b"diff --git a/x b/x\nindex 1..2 100644\n")) == ["no-hunks"]


def test_nul_bytes_and_wrong_utf8_are_told_with_their_line() -> None:
    diff = exact(HEADER + b"@@ -1 +1,2 @@\n-a\n+b\0\n+\xe9t\xe9\n")
    assert [(warning.code, warning.line) for warning in diff.warnings] == [("nul", 5), ("encoding", 6)]
    assert diff.files[0].hunks[0].lines[2].text == "été"


def test_a_file_that_changes_to_utf8_is_right_on_both_sides() -> None:
    file = only_file(HEADER + b"@@ -1 +1 @@\n-\xe9\n+\xc3\xa9\n")
    assert [line.text for line in file.hunks[0].lines] == ["é", "é"]


def test_very_long_lines_are_told() -> None:
    diff = exact(HEADER + b"@@ -1 +1 @@\n-a\n+" + b"x" * 20_000 + b"\n")
    assert [(warning.code, warning.line) for warning in diff.warnings] == [("long-line", 5)]


def test_a_patch_that_ends_inside_a_line_is_told() -> None:
    assert codes(exact(HEADER + b"@@ -1 +1 @@\n-a\n+b")) == ["cut-off"]


def test_subversion_properties_and_files_on_one_side_are_told() -> None:
    one = (
        HEADER
        + b"@@ -1 +1 @@\n-a\n+b\n\nProperty changes on: x\n____\n"
        + b"Added: svn:executable\n## -0,0 +1 ##\n+*\nOnly in b: y\n"
    )
    assert codes(exact(one)) == ["text-between", "property", "only-in"]


def test_no_time_left_gives_plain_text_and_one_warning() -> None:
    data = HEADER + b"@@ -1 +1 @@\n-a\n+b\n"
    diff = parse(data, budget_seconds=-1)
    assert (diff.parsed, diff.files, diff.to_bytes()) == (False, (), data)
    assert codes(diff) == ["budget"]


def test_time_in_which_others_have_the_processor_is_not_counted() -> None:
    source = Source(b"line\n", budget_seconds=0.05)
    time.sleep(0.1)
    source.check_budget()
    until = time.thread_time() + 0.1
    while time.thread_time() < until:
        pass
    with pytest.raises(BudgetSpent):
        source.check_budget()


@pytest.mark.parametrize("last", ["hunk-counts", "hunk-tail", "colours"])
def test_what_is_said_at_the_end_is_within_the_time_too(last: str, monkeypatch: pytest.MonkeyPatch) -> None:
    said: list[str] = []
    add = Notices.add

    def counted(self: Notices, code: str, *rest: Any) -> None:
        said.append(code)
        add(self, code, *rest)

    def spent(self: Source) -> None:
        if last in said:
            raise BudgetSpent

    monkeypatch.setattr(Notices, "add", counted)
    monkeypatch.setattr(Source, "check_budget", spent)
    hunk = b"@@ -1,2 +1,2 @@\n a\n-b\n+c\n+d\n"
    assert not parse(b"\x1b[31m+a\n" + HEADER + hunk + hunk).parsed
    assert said.count(last) == 1


def test_warnings_are_capped_for_each_kind_and_in_all() -> None:
    diff = exact(b"".join(b"--- a/x%d\n+++ b/x%d\n@@ -1 +1,3 @@\n-a\n+b\n" % (n, n) for n in range(500)))
    assert len(diff.warnings) == PER_CODE + 3 <= TOTAL  # and where git and patch stop
    assert diff.warnings[-1].message.startswith("492 more")


def test_what_is_too_much_for_the_list_stands_at_its_line() -> None:
    one = b"--- a/x%d\n+++ b/x%d\n@@ -1,2 +1,2 @@\n a\n-b\n+c\n+d\n"
    diff = exact(b"".join(one % (n, n) for n in range(100)))
    places = {7 * n + at for n in range(100) for at in (3, 7)}
    assert {warning.line for warning in (*diff.warnings, *diff.beyond)} - {None} == places
    [last] = [warning for warning in diff.warnings if warning.code == "hunk-counts" and warning.line is None]
    assert last.message.startswith("92 more of this kind (hunk-counts): line 59, 66, 73, ")
    assert last.message.endswith(" and 42 more.")
    assert {sentence for n in places for sentence in by_line(diff)[n]} >= {last.message for last in diff.beyond}


def test_what_the_whole_list_has_no_room_for_stands_at_its_line_too() -> None:
    notices = Notices()
    for line in range(1, 3 * TOTAL):
        notices.add(f"code-{line // PER_CODE}", "Odd.", None, line)
    listed, beyond = notices.close()
    assert {warning.line for warning in (*listed, *beyond)} - {None} == set(range(1, 3 * TOTAL))
    assert f"{TOTAL + 1}, {TOTAL + 2}," in listed[-1].message


def test_a_heading_tells_so_much_and_counts_the_rest() -> None:
    [file] = exact(HEADER + b"@@ -1 +1 @@\n-a\n+b\n").files
    found = of_header({1: [f"{number}" for number in range(100)]}, file)
    assert len(found) < 30
    assert found[-1].endswith(" more things are odd here.")


def test_the_summary_holds_plain_values_only() -> None:
    found = summary(exact(HEADER + b"@@ -1 +1,3 @@\n-a\n+b\n"))
    assert json.loads(json.dumps(found))
    assert {name: found[name] for name in ("parsed", "files", "additions", "deletions", "paths", "warnings")} == {
        "parsed": True,
        "files": 1,
        "additions": 1,
        "deletions": 1,
        "paths": ["x"],
        "warnings": [
            {
                "code": "hunk-counts",
                "message": "The hunk announces 1 old and 3 new lines and has 1 and 1.",
                "file": "x",
                "line": 3,
            },
            {
                "code": "git-refuses",
                "message": "git apply refuses the whole patch at this line: the hunk is shorter than it says.",
                "file": None,
                "line": 3,
            },
        ],
    }


def test_the_digest_of_a_file_depends_on_its_own_part_only() -> None:
    one, two = HEADER + b"@@ -1 +1 @@\n-a\n+b\n", b"--- a/y\n+++ b/y\n@@ -1 +1 @@\n-a\n+b\n"
    alone, second = exact(one).files[0], exact(two + one).files[1]
    assert (alone.sha256, alone.key) == (second.sha256, second.key)
    assert exact(one.replace(b"+b", b"+c")).files[0].sha256 != alone.sha256
    assert exact(one.replace(b"+b", b"+c")).files[0].key == alone.key
