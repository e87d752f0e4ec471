"""What differs between two revisions of a patch, whatever their hunk numbers, and how it is drawn."""

import base64
import json
import os
import re
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from approvals.diff.interdiff import Comparison, FileComparison, compare, comparison_rows
from approvals.diff.parse import parse
from tests.approvals.diff.test_properties import patches, read_back

ROOT = Path(__file__).resolve().parents[3]
SAMPLES = Path(os.environ.get("HITL_SAMPLE_DATA") or ROOT / "../shared/data")
FILES = {"bot_cve_backports": "patch", "upstream_cve_fixes": "diff", "odd_cve_patches": "patch_base64"}

FIX = b"""\
diff --git a/x.c b/x.c
--- a/x.c
+++ b/x.c
@@ -10,6 +10,7 @@ int f(void)
 one
 two
 three
+  if (n > 10) return;
 four
 five
 six
@@ -50,2 +51,3 @@ int g(void)
 seven
+eight
 nine
"""
OTHER = b"--- a/y.c\n+++ b/y.c\n@@ -1 +1 @@\n-a\n+b\n"
HEADED = b"diff --git a/y.c b/y.c\n" + OTHER
UTF7 = b"From: a@b.example\nContent-Type: text/plain; charset=utf-7\n\n%b\n---\n"
PARTS = (
    b"From: A <a@b.example>\nContent-Type: multipart/mixed; boundary=q%b\n%b"
    b"--- a/x\n+++ b/x\n@@ -1 +1 @@\n-a\n%b\n--q\n\n" + OTHER + b"--q--\n"
)
INDEX, GOES = b"index 1234567..0000000 100644\n", b"deleted file mode 100644\n"
GONE = b"diff --git a/y.c b/y.c\n%b%b--- a/y.c\n+++ /dev/null\n@@ -1 +0,0 @@\n-a\n"
COPY = b"diff --git a/y.c b/z.c\nsimilarity index 100%\ncopy from y.c\ncopy to z.c\n"


def compared(old: bytes, new: bytes) -> Comparison:
    return compare(parse(old), parse(new))


def only(old: bytes, new: bytes) -> FileComparison:
    (item,) = compared(old, new).files
    return item


def drawn(item: FileComparison, first: int = 0, count: int | None = None) -> list[tuple[str, str, str, str]]:
    """Return kind, numbers and text of the rows of a comparison."""
    hunks = comparison_rows(item, first=first, count=count)
    return [(row.kind, row.old, row.new, read_back(row.html).text) for hunk in hunks for row in hunk.rows]


def test_the_same_patch_is_unchanged() -> None:
    comparison = compared(FIX + OTHER, FIX + OTHER)
    assert [file.status for file in comparison.files] == ["unchanged", "unchanged"]
    assert comparison.same
    assert comparison.message.status == "unchanged"
    assert [comparison_rows(file) for file in comparison.files] == [(), ()]


def test_renumbered_hunks_are_told_and_other_blob_names_and_headings_change_no_line() -> None:
    moved = (
        FIX.replace(b"-10,6 +10,7", b"-14,6 +14,7").replace(b"-50,2 +51,3", b"-54,2 +55,3").replace(b"int g", b"int h")
    )
    moved = moved.replace(b"--- a/x.c", b"index 1234567..89abcde 100644\n--- a/x.c")
    item = only(FIX, moved)
    assert item.notes == ("Hunk 1 moved from line 10 to 14.", "Hunk 2 moved from line 50 to 54.")
    assert (item.status, item.hunks) == ("changed", ())


def test_files_of_one_revision_only_are_named() -> None:
    comparison = compared(FIX + OTHER, FIX.replace(b"x.c", b"z.c") + OTHER)
    assert [(file.path, file.status) for file in comparison.files] == [
        ("z.c", "only_new"),
        ("y.c", "unchanged"),
        ("x.c", "only_old"),
    ]
    assert [file.path for file in comparison.of("only_old")] == ["x.c"]
    assert not comparison.same
    added = comparison.files[0]
    assert (added.additions, added.deletions, added.line_count) == (10, 0, 10)
    assert {row[0] for row in drawn(added)} == {"add"}
    assert {row[0] for row in drawn(comparison.files[2])} == {"del"}


def test_a_changed_line_stands_with_its_sign_its_numbers_and_what_surrounds_it() -> None:
    item = only(FIX, FIX.replace(b"n > 10", b"n >= 10").replace(b"-10,6 +10,7", b"-14,6 +14,7"))
    assert (item.status, item.additions, item.deletions, item.context_only) == ("changed", 1, 1, False)
    assert drawn(item) == [
        ("ctx", "10", "14", " one"),
        ("ctx", "11", "15", " two"),
        ("ctx", "12", "16", " three"),
        ("del", "13", "", "+  if (n > 10) return;"),
        ("add", "", "17", "+  if (n >= 10) return;"),
        ("ctx", "14", "18", " four"),
        ("ctx", "15", "19", " five"),
        ("ctx", "16", "20", " six"),
    ]
    (hunk,) = comparison_rows(item)
    assert (hunk.header, hunk.heading) == ("@@ -10 +14 @@", "int f(void)")
    assert "<mark>=</mark>" in hunk.rows[4].html


def test_side_by_side_are_the_same_rows() -> None:
    (hunk,) = comparison_rows(only(FIX, FIX.replace(b"n > 10", b"n >= 10")))
    assert (hunk.rows[3], hunk.rows[4]) in hunk.pairs
    assert {id(row) for pair in hunk.pairs for row in pair if row} == {id(row) for row in hunk.rows}


def test_a_line_deleted_instead_of_added_is_a_difference() -> None:
    assert [row[3] for row in drawn(only(OTHER, OTHER.replace(b"-a\n+b", b"-b\n+a")))].count("+b") == 1


def test_hunks_far_apart_are_drawn_apart() -> None:
    item = only(FIX, FIX.replace(b"one", b"ONE").replace(b"nine", b"NINE"))
    assert [hunk.heading for hunk in comparison_rows(item)] == ["int f(void)", "int g(void)"]


def test_differences_near_each_other_share_what_lies_between() -> None:
    item = only(FIX, FIX.replace(b" one", b" ONE").replace(b" six", b" SIX"))
    assert [row[3] for row in drawn(item)] == [
        " one",
        " ONE",
        " two",
        " three",
        "+  if (n > 10) return;",
        " four",
        " five",
        " six",
        " SIX",
    ]


def test_lines_that_change_places_are_told_the_same_both_ways() -> None:
    swapped = FIX.replace(b" one\n two", b" two\n one")
    assert_mirror(compared(FIX, swapped), compared(swapped, FIX))


def test_a_change_of_surroundings_only_says_so() -> None:
    item = only(FIX, FIX.replace(b" four", b" 4"))
    assert (item.status, item.context_only) == ("changed", True)


def test_a_fix_split_into_two_hunks_changes_no_line() -> None:
    joined = b"--- a/x\n+++ b/x\n@@ -1,3 +1,5 @@\n a\n+b\n c\n+d\n e\n"
    split = b"--- a/x\n+++ b/x\n@@ -1,2 +1,3 @@\n a\n+b\n c\n@@ -3,1 +4,2 @@\n+d\n e\n"
    assert only(joined, split).status == "unchanged"


@pytest.mark.parametrize("form", ["unified", "context"])
def test_lines_that_go_from_one_hunk_into_the_next_change_another_place(form: str) -> None:
    end = b"--- a/x\n+++ b/x\n@@ -1,4 +1,4 @@\n a\n-q\n z\n+b\n c\n@@ -10,3 +10,2 @@\n x\n-y\n w\n"
    start = b"--- a/x\n+++ b/x\n@@ -1,3 +1,2 @@\n a\n-q\n z\n@@ -10,4 +9,4 @@\n+b\n c\n x\n-y\n w\n"
    if form == "context":
        end = b"*** a/x\n--- b/x\n" + b"".join(
            b"***************\n" + half
            for half in (
                b"*** 1,4 ****\n  a\n- q\n  z\n  c\n--- 1,4 ----\n  a\n  z\n+ b\n  c\n",
                b"*** 10,12 ****\n  x\n- y\n  w\n--- 10,11 ----\n",
            )
        )
    for old, new in ((end, start), (start, end)):
        assert not compared(old, new).same
        assert only(old, new).notes


def test_a_context_diff_and_a_unified_one_of_the_same_change_are_equal() -> None:
    unified = b"--- a/x\n+++ b/x\n@@ -1,3 +1,3 @@\n a\n-b\n+B\n c\n"
    context = (
        b"*** a/x\t2024-01-01 00:00:00\n--- b/x\t2024-01-01 00:00:00\n***************\n"
        b"*** 1,3 ****\n  a\n! b\n  c\n--- 1,3 ----\n  a\n! B\n  c\n"
    )
    assert only(unified, context).status == "unchanged"
    item = only(context, unified.replace(b"+B", b"+BB"))
    assert ("del", "2", "", "+B") in drawn(item)


def test_an_eaten_blank_is_no_difference() -> None:
    assert only(
        b"--- a/x\n+++ b/x\n@@ -1,2 +1,3 @@\n \ta\n+b\n c\n", b"--- a/x\n+++ b/x\n@@ -1,2 +1,3 @@\n\ta\n+b\n c\n"
    ).status == ("unchanged")


def test_a_version_folder_is_the_same_file_under_another_name() -> None:
    item = only(FIX, FIX.replace(b"a/x.c", b"x-1.2/x.c").replace(b"b/x.c", b"x-1.2/x.c"))
    assert [" name of the file is " in note for note in item.notes] == [True, True]
    assert item.hunks == ()


def test_modes_kinds_and_binary_content_are_told_in_words() -> None:
    old = b"diff --git a/x b/x\nnew file mode 100644\n--- /dev/null\n+++ b/x\n@@ -0,0 +1 @@\n+x\n"
    item = only(old, old.replace(b"100644", b"100755"))
    assert item.status == "changed"
    assert item.notes == ("The mode is as usual in the old revision and none to 100755 in the new one.",)
    binary = b"diff --git a/x b/x\nindex 1..2 100644\nGIT binary patch\nliteral 4\nLcmZQzU|?i`\n\n"
    assert only(binary, binary.replace(b"U|", b"V|")).notes == ("The binary content differs.",)
    assert comparison_rows(only(binary, binary.replace(b"U|", b"V|"))) == ()


def test_another_object_for_binary_content_is_told() -> None:
    """Git takes it from its own store where it has it, whatever the patch carries."""
    binary = b"diff --git a/z b/z\nindex 1234567..%b 100644\nGIT binary patch\nliteral 3\nKcmb=J00961\n\n"
    assert only(binary % b"89abcde", binary % b"edcba98").notes == ("The binary content differs.",)


def test_the_n_th_part_of_a_file_is_compared_with_the_n_th() -> None:
    comparison = compared(OTHER + OTHER.replace(b"+b", b"+c"), OTHER)
    assert [file.status for file in comparison.files] == ["unchanged", "only_old"]
    assert len({file.key for file in comparison.files}) == 2


def test_other_words_around_the_changes_are_drawn_like_a_file() -> None:
    comparison = compared(b"Subject: one\n\n" + FIX, b"Subject: two\n\n" + FIX)
    assert comparison.same
    assert [row[3] for row in drawn(comparison.message)] == ["Subject: one", "Subject: two", ""]
    assert [hunk.header for hunk in comparison_rows(comparison.message)] == [""]


def test_a_stretch_too_large_to_align_is_shown_as_replaced_and_nothing_is_left_out() -> None:
    def patch(values: str) -> bytes:
        return b"--- a/x\n+++ b/x\n@@ -1 +1,9999 @@\n" + b"".join(b"+%s\n" % v.encode() for v in values)

    item = only(patch("ab" * 2000), patch("ba" * 1500 + "c"))
    assert (item.deletions, item.additions) == (4000, 3001)
    assert item.line_count == 7001 == len(drawn(item))


def test_a_large_file_is_cut_at_the_lines_that_occur_once() -> None:
    lines = [b"+line %d\n" % n for n in range(3_000)]
    head = b"--- a/x\n+++ b/x\n@@ -1 +1,9999 @@\n"
    other = [b"+%s" % line[1:] if n % 100 else b"+changed\n" for n, line in enumerate(lines)]
    item = only(head + b"".join(lines), head + b"".join(other))
    assert (item.deletions, item.additions) == (30, 30)


def test_other_counts_for_the_same_lines_are_told() -> None:
    old = b"--- a/x\n+++ b/x\n@@ -1,2 +1,3 @@\n a\n+b\n c\n"
    [note] = only(old, old.replace(b"-1,2 +1,3", b"-1,2 +1,4")).notes
    assert note.startswith("Hunk 1 announces 2 and 3 lines in the old revision, 2 and 4 lines in the new one")


@pytest.mark.parametrize(
    "words",
    [
        b"Index: a/setup.py\n3c3\n< a\n---\n> b\n",
        b"  --- a/y\n",
        b"X+++ b/y\n",
        b"5d\n",
        b"*** a/y\n",
        b"\t@@ -1 +1 @@\n",
    ],
)
def test_words_that_look_like_a_diff_may_be_applied(words: bytes) -> None:
    assert compared(b"Fix.\n\n" + FIX, b"Fix.\n\n" + words + b"\n" + FIX).words_applied
    assert not compared(b"Fix.\n\n" + FIX, b"Fix it.\n\n" + FIX).words_applied


def test_a_window_of_rows_is_a_part_of_all_rows() -> None:
    item = only(FIX, FIX.replace(b"n > 10", b"n").replace(b"eight", b"8"))
    every = drawn(item)
    for first in range(len(every) + 1):
        assert drawn(item, first, 3) == every[first : first + 3]


def mirrored(row: tuple[str, str, str, str]) -> tuple[str, str, str, str]:
    return {"del": "add", "add": "del"}.get(row[0], row[0]), row[2], row[1], row[3]


def assert_mirror(one: Comparison, two: Comparison) -> None:
    """Two comparisons of the same revisions in either order say the same."""
    swapped = {"only_old": "only_new", "only_new": "only_old"}
    left = sorted((f.path, f.status, f.additions, f.deletions, f.context_only) for f in (*one.files, one.message))
    right = sorted(
        (f.path, swapped.get(f.status, f.status), f.deletions, f.additions, f.context_only)
        for f in (*two.files, two.message)
    )
    assert left == right
    rows = Counter(row for file in one.files for row in drawn(file) if row[0] != "ctx")
    assert rows == Counter(mirrored(row) for file in two.files for row in drawn(file) if row[0] != "ctx")


@settings(max_examples=200)
@given(st.one_of(patches, st.binary(max_size=300)), st.one_of(patches, st.binary(max_size=300)))
def test_comparing_never_raises_and_both_ways_say_the_same(a: bytes, b: bytes) -> None:
    one, two = parse(a), parse(b)
    comparison = compare(one, two)
    assert compare(one, one).same
    assert compare(one, one).message.status == "unchanged"
    assert_mirror(comparison, compare(two, one))
    for file in (*comparison.files, comparison.message):
        rows = drawn(file)
        assert len(rows) == file.line_count
        assert (sum(r[0] == "del" for r in rows), sum(r[0] == "add" for r in rows)) == (file.deletions, file.additions)
        assert (file.status == "unchanged") <= (not rows)


edits = st.lists(st.tuples(st.integers(0, 30), st.sampled_from([b"+new\n", b"-old\n", b" same\n", b""])), max_size=6)


@settings(max_examples=100)
@given(st.lists(st.sampled_from([b"+a\n", b"-b\n", b" c\n", b"+d\n"]), min_size=1, max_size=25), edits)
def test_the_rows_of_an_edited_patch_lead_from_one_to_the_other(
    lines: list[bytes], changes: list[tuple[int, bytes]]
) -> None:
    other = list(lines)
    for place, line in changes:
        other[place % len(other) : place % len(other) + 1] = [line] if line or len(other) == 1 else []
    old, new = (b"--- a/x\n+++ b/x\n@@ -1,99 +1,99 @@\n" + b"".join(side) for side in (lines, other))
    item = only(old, new)
    gone = Counter(row[3] for row in drawn(item) if row[0] == "del")
    come = Counter(row[3] for row in drawn(item) if row[0] == "add")
    before, after = (Counter(line.decode().rstrip("\n") for line in side) for side in (lines, other))
    before.subtract(gone)
    before.update(come)
    assert +before == +Counter({key: count for key, count in after.items() if key})


@pytest.mark.sample_data
@pytest.mark.skipif(not SAMPLES.is_dir(), reason=f"no sample data in {SAMPLES} (set HITL_SAMPLE_DATA)")
@pytest.mark.parametrize("name", FILES)
def test_real_patches_renumbered_are_unchanged_and_edited_show_the_edit(name: str) -> None:
    with (SAMPLES / f"{name}.ndjson").open(encoding="utf-8") as rows:
        for number, row in enumerate(map(json.loads, rows)):
            field = FILES[name]
            data = base64.b64decode(row[field]) if field.endswith("base64") else row[field].encode()
            old = parse(data)
            assert compare(old, old).same, number
            renumbered = parse(re.sub(rb"(?m)^@@ -(\d+)", lambda found: b"@@ -1%b" % found[1], data))
            again = compare(old, renumbered)
            assert not any(file.hunks for file in again.files), number
            assert again.same == (old.to_bytes() == renumbered.to_bytes() or not any(f.notes for f in again.files))
            first = re.search(rb"(?m)^\+(?!\+\+)[^\r\n]+", data)
            if first and not number % 5:
                edited = compare(old, parse(data[: first.start() + 1] + b"edited " + data[first.start() + 1 :]))
                changed = [row for file in (*edited.files, edited.message) for row in drawn(file) if row[0] == "add"]
                assert any("edited " in row[3] for row in changed), number


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b"--- a/k\n+++ b/k\n@@ -1 +0,0 @@\n-1\n", b"--- a/k\n+++ b/k\t@0\n@@ -1 +0,0 @@\n-1\n"),
        (b"--- a/d/x\n+++ b/d/x\n@@ -1 +1 @@\n-a\n+b\n", b"--- d/x\n+++ d/x\n@@ -1 +1 @@\n-a\n+b\n"),
        (OTHER, OTHER.replace(b"/y.c\n", b"/y.c\r\n")),
        (COPY + HEADED, HEADED + COPY),
        (UTF7 % b"+AGQ-iff --git a/k b/k\nnew mode 100755" + HEADED, UTF7 % b"Words" + HEADED),
        *(
            (PARTS % (end, between, b"+b"), PARTS % (end, between, b"+c"))
            for end, between in ((b"\r", b"\r\n"), (b"", b"\n"), (b"", b"words\n"), (b"", b""))
        ),
        (GONE % (INDEX, GOES), GONE % (GOES, INDEX)),
        (GONE % (GOES, INDEX), GONE % (GOES, INDEX.replace(b"\n", b" x\n"))),
        (HEADED.replace(b" @@\n", b' "@\n'), HEADED.replace(b" @@\n", b" @\n")),
        (HEADED + b"\nnew file mode 100644\n" + OTHER, HEADED + b"\ndeleted file mode 100644\n" + OTHER),
    ],
)
def test_revisions_whose_headers_tools_read_otherwise_are_not_said_to_be_the_same(old: bytes, new: bytes) -> None:
    comparison = compared(old, new)
    assert comparison.same
    assert comparison.read_otherwise
    assert not compared(old, old).read_otherwise
