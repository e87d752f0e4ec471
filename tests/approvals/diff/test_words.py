"""Which lines are taken for one another and what is marked in them."""

from hypothesis import given
from hypothesis import strategies as st

from approvals.diff.words import Words

texts = st.lists(st.text("ab (;", max_size=12), max_size=8)


def marked(old: str, new: str) -> tuple[list[str], list[str]]:
    """Return the marked parts of two lines."""
    left, right = Words().marks(old, new)
    return [old[first:last] for first, last in left], [new[first:last] for first, last in right]


def test_one_changed_word_is_marked() -> None:
    assert marked("if (a < b) return;", "if (a <= b) return;") == ([], ["="])


def test_several_changes_are_marked_apart() -> None:
    assert marked("copy(dst, src, len, flags)", "copy(dst, source, len, FLAGS)") == (
        ["src", "flags"],
        ["source", "FLAGS"],
    )


def test_equal_and_unlike_lines_have_no_marks() -> None:
    assert marked("same", "same") == ([], [])
    assert marked("alpha beta", "(1 + 2)") == ([], [])


def test_long_lines_have_no_marks() -> None:
    assert marked("a " * 300 + "x", "a " * 300 + "y") == ([], [])


def test_a_large_change_in_the_middle_is_marked_whole() -> None:
    old = "same text here " * 12 + "-" * 90 + "end"
    new = "same text here " * 12 + "+" * 90 + "end"
    assert marked(old, new) == (["-" * 90], ["+" * 90])


def test_lines_are_paired_with_the_most_alike() -> None:
    deleted = ["int alpha = 1;", "free(buffer);"]
    added = ["/* why */", "int alpha = 2;", "if (x)", "free(buffer2);"]
    assert Words().pairs(deleted, added) == [(None, 0), (0, 1), (None, 2), (1, 3)]


def test_large_runs_are_paired_in_order() -> None:
    assert Words().pairs(["a"] * 40, ["b"] * 50)[39:41] == [(39, 39), (None, 40)]


def test_a_file_that_cost_enough_is_compared_no_more() -> None:
    words = Words(work=0)
    assert words.pairs(["one two", "three"], ["three", "one two"]) == [(0, 0), (1, 1)]
    assert words.marks("call(a b c)", "call(a x c)") == ([(7, 8)], [(7, 8)])


@given(texts, texts)
def test_every_line_is_in_exactly_one_pair_and_order_is_kept(deleted: list[str], added: list[str]) -> None:
    pairs = Words().pairs(deleted, added)
    assert [left for left, _ in pairs if left is not None] == list(range(len(deleted)))
    assert [right for _, right in pairs if right is not None] == list(range(len(added)))


@given(st.text("ab (;\t", max_size=40), st.text("ab (;\t", max_size=40))
def test_what_is_not_marked_is_the_same_on_both_sides(old: str, new: str) -> None:
    left, right = Words().marks(old, new)
    if left or right:
        assert without(old, left) == without(new, right)


def without(text: str, ranges: list[tuple[int, int]]) -> str:
    """Return the text without its marked parts, insisting that they are in order and inside it."""
    kept, position = "", 0
    for first, last in ranges:
        assert position <= first < last <= len(text)
        kept += text[position:first]
        position = last
    return kept + text[position:]
