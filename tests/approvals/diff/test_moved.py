"""Which lines of a patch were moved, which changed only in blanks, and which are neither."""

import base64
import json
import os
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from approvals.diff.moved import FEWEST_LINES, Aligner, Move, Moves, Respacing, moves
from approvals.diff.parse import parse
from approvals.diff.rows import file_rows
from approvals.diff.structure import Diff
from tests.approvals.diff.test_properties import patches

ROOT = Path(__file__).resolve().parents[3]
SAMPLES = Path(os.environ.get("HITL_SAMPLE_DATA") or ROOT / "../shared/data")
FILES = {"bot_cve_backports": "patch", "upstream_cve_fixes": "diff", "odd_cve_patches": "patch_base64"}

BLOCK = ("first = call(one);", "second = call(two);", "third = call(three);")


def change(name: str, *lines: str, start: int = 1) -> bytes:
    """Return the patch of one file; lines have their signs."""
    body = "".join(f"{line}\n" for line in lines)
    return f"diff --git a/{name} b/{name}\n--- a/{name}\n+++ b/{name}\n@@ -{start},9 +{start},9 @@\n{body}".encode()


def of(*lines: str) -> Moves:
    return moves(parse(change("x.c", *lines)))


def signed(sign: str, lines: tuple[str, ...] = BLOCK, indent: str = "") -> list[str]:
    return [f"{sign}{indent}{line}" for line in lines]


def test_a_block_deleted_here_and_added_there_was_moved() -> None:
    (move,) = of(*signed("-"), " same", " same", *signed("+")).moves
    assert (move.old.rows, move.old.first, move.old.last) == ((0, 1, 2), 1, 3)
    assert (move.new.rows, move.new.first, move.new.last) == ((5, 6, 7), 3, 5)
    assert not move.indented
    assert move.explanation == "3 lines moved from x.c line 1 to x.c line 3."


def test_a_move_into_another_file_and_upwards_is_found() -> None:
    found = moves(parse(change("b.c", *signed("+"), start=7) + change("a.c", *signed("-"), start=40)))
    (move,) = found.moves
    assert (move.old.path, move.old.first, move.new.path, move.new.first) == ("a.c", 40, "b.c", 7)
    assert set(found.of(move.new.key)) == {(0, 0), (0, 1), (0, 2)}


def test_a_moved_block_may_be_indented_and_says_so() -> None:
    (move,) = of(*signed("-"), " if (x)", *signed("+", indent="\t")).moves
    assert move.indented
    assert move.explanation.endswith("; their indentation changed.")


def test_short_blocks_and_blocks_that_say_nothing_are_not_moves() -> None:
    assert of(*signed("-", BLOCK[:2]), " same", *signed("+", BLOCK[:2])).moves == ()
    braces = ("}", "", "}", "}")
    assert of(*signed("-", braces), " same", *signed("+", braces)).moves == ()


def test_the_longest_origin_is_chosen_and_each_line_is_used_once() -> None:
    longer = (*BLOCK, "fourth = call(four);")
    found = of(*signed("-"), " a", *signed("-", longer), " b", *signed("+", longer), " c", *signed("+")).moves
    assert [len(move.old.rows) for move in found] == [4, 3]


def test_lines_that_differ_in_blanks_only_are_respaced_not_moved() -> None:
    found = of(*signed("-"), *signed("+", indent="    "))
    assert found.moves == ()
    (respacing,) = found.respacings
    assert (respacing.old.rows, respacing.new.rows, respacing.ending) == ((0, 1, 2), (3, 4, 5), False)
    assert respacing.explanation == "Only blanks differ."


@pytest.mark.parametrize(
    ("old", "new"),
    [("f(a,b)", "f( a, b )"), ("a = 1", "a\t=  1"), ("x", "x  "), ("\tx", "        x"), ("return  x", "return x")],
)
def test_blanks_may_come_go_and_change(old: str, new: str) -> None:
    assert len(of(f"-{old}", f"+{new}").respacings) == 1


@pytest.mark.parametrize(
    ("old", "new"), [("int x", "intx"), ("a b", "a\u00a0b"), ("a b", "a\u200bb"), ("f(a)", "f(b)"), ("é x", "éx")]
)
def test_a_blank_between_words_and_other_blanks_than_ascii_are_content(old: str, new: str) -> None:
    assert of(f"-{old}", f"+{new}").respacings == ()


def test_a_change_of_line_endings_only_says_so() -> None:
    (respacing,) = of("-a", "-b", "+a\r", "+b\r").respacings
    assert respacing.ending
    assert respacing.explanation == "Only the line ending differs."
    assert len(respacing.new.rows) == 2


def test_a_note_about_the_last_line_does_not_part_lines() -> None:
    assert len(of("-a", "\\ No newline at end of file", "+ a").respacings) == 1


def test_lines_deleted_and_added_with_others_between_are_not_respaced() -> None:
    assert of("-a", " same", "+ a").respacings == ()
    assert of("+ a", "-a").respacings == ()


def test_a_block_in_a_context_diff_is_found_at_its_row() -> None:
    data = (
        "*** a/x\n--- b/x\n***************\n*** 1,4 ****\n"
        + "".join(f"- {line}\n" for line in BLOCK)
        + "  same\n--- 1,4 ----\n  same\n"
        + "".join(f"+ {line}\n" for line in BLOCK)
    )
    diff = parse(data.encode())
    (move,) = moves(diff).moves
    assert rows_of(diff, move.old.key, move.old.hunk, move.old.rows) == {"del"}
    assert rows_of(diff, move.new.key, move.new.hunk, move.new.rows) == {"add"}
    assert (move.old.first, move.new.first) == (1, 2)


def rows_of(diff: Diff, key: str, hunk: int, rows: tuple[int, ...]) -> set[str]:
    """Return the kinds of the rows a side names."""
    (file,) = [file for file in diff.files if file.key == key]
    shown = file_rows(file)[hunk].rows
    return {shown[row].kind for row in rows}


def assert_sound(diff: Diff) -> None:
    """What was found names rows there are, of the right kind, each once, with the numbers they have."""
    found = moves(diff)
    every: list[tuple[str, int, int]] = []
    items: list[Move | Respacing] = [*found.moves, *found.respacings]
    for item in items:
        assert len(item.old.rows) == len(item.new.rows)
        for side, kind in ((item.old, "del"), (item.new, "add")):
            assert rows_of(diff, side.key, side.hunk, side.rows) == {kind}
            (file,) = [file for file in diff.files if file.key == side.key]
            row = file_rows(file)[side.hunk].rows[side.rows[0]]
            assert (row.old or row.new) == ("" if side.first is None else str(side.first))
            every.extend((side.key, side.hunk, row) for row in side.rows)
    assert len(every) == len(set(every))
    assert all(len(move.new.rows) >= FEWEST_LINES for move in found.moves)
    for file in diff.files:
        assert len(found.of(file.key)) == sum(key == file.key for key, _, _ in every)


words = st.sampled_from([*BLOCK, "    " + BLOCK[0], "}", "", " ", "other = call(four);"])
bodies = st.lists(st.tuples(st.sampled_from("-+ "), words), max_size=30).map(
    lambda lines: change("x.c", *(sign + word for sign, word in lines))
)


@settings(max_examples=150)
@given(st.one_of(st.binary(max_size=400), patches, bodies, st.lists(bodies, max_size=3).map(b"".join)))
def test_what_is_found_is_there_once_and_nothing_raises(data: bytes) -> None:
    assert_sound(parse(data))


@given(st.lists(st.integers(0, 4), max_size=30), st.lists(st.integers(0, 4), max_size=30), st.integers(0, 2_000))
def test_an_alignment_pairs_equal_values_in_order_and_as_many_as_can_be(a: list[int], b: list[int], work: int) -> None:
    pairs = Aligner(work).common(a, b)
    assert all(a[i] == b[j] for i, j in pairs)
    assert all(i < k and j < m for (i, j), (k, m) in zip(pairs, pairs[1:], strict=False))
    if work >= 900:
        assert len(pairs) == longest_common(a, b)
    assert Aligner(0).common(a, a) == [(i, i) for i in range(len(a))]


def longest_common(a: list[int], b: list[int]) -> int:
    """Return the length of the longest common subsequence, by the textbook."""
    row = [0] * (len(b) + 1)
    for value in a:
        before = 0
        for j, other in enumerate(b):
            before, row[j + 1] = row[j + 1], before + 1 if value == other else max(row[j + 1], row[j])
    return row[-1]


@pytest.mark.sample_data
@pytest.mark.skipif(not SAMPLES.is_dir(), reason=f"no sample data in {SAMPLES} (set HITL_SAMPLE_DATA)")
@pytest.mark.parametrize("name", FILES)
def test_moves_in_real_patches_are_where_they_are_said_to_be(name: str) -> None:
    found = 0
    with (SAMPLES / f"{name}.ndjson").open(encoding="utf-8") as rows:
        for row in map(json.loads, rows):
            field = FILES[name]
            data = base64.b64decode(row[field]) if field.endswith("base64") else row[field].encode()
            diff = parse(data)
            here = moves(diff)
            items: list[Move | Respacing] = [*here.moves, *here.respacings]
            hunks = {file.key: file.hunks for file in diff.files}
            for item in items:
                assert item.old.hunk < len(hunks[item.old.key])
                assert item.new.rows[-1] < len(hunks[item.new.key][item.new.hunk].codes)
                found += 1
    assert found
