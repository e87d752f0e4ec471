"""What a reviewer sees of a line: marks, colours, drawn characters, cuts, left and right. Parsing is elsewhere."""

import pytest
from pygments.lexers import get_all_lexers, get_lexer_for_filename
from pygments.util import ClassNotFound

from approvals.diff.excerpts import excerpt
from approvals.diff.highlight import LANGUAGES, Highlighter, lexer_for
from approvals.diff.parse import parse
from approvals.diff.rows import HunkRows, file_rows, text_html
from approvals.diff.structure import File


def file_of(body: bytes, name: bytes = b"x") -> File:
    """Return the file of a patch made of lines; counts are not announced, so that tests can leave them out."""
    return parse(b"--- a/%b\n+++ b/%b\n@@\n%b" % (name, name, body)).files[0]


def hunk_of(body: bytes, name: bytes = b"x") -> HunkRows:
    """Return the rows of a patch made of lines."""
    return file_rows(file_of(body, name))[0]


def html_of(text: str) -> str:
    """Return the markup of one added line."""
    return hunk_of(b"+" + text.encode() + b"\n").rows[0].html


def test_rows_have_kind_numbers_and_glyph() -> None:
    data = b"--- a/x\n+++ b/x\n@@ -9,2 +9,2 @@ f()\n a\n-b\n+c\n"
    hunk = file_rows(parse(data).files[0])[0]
    assert (hunk.header, hunk.heading) == ("@@ -9,2 +9,2 @@", "f()")
    assert [(row.kind, row.old, row.new, row.glyph) for row in hunk.rows] == [
        ("ctx", "9", "9", ""),
        ("del", "10", "", "−"),
        ("add", "", "10", "+"),
    ]


def test_changed_words_are_marked_on_both_sides() -> None:
    rows = hunk_of(b"-call(alpha, 1, size);\n+call(beta, 1, size);\n").rows
    assert [row.html for row in rows] == ["call(<mark>alpha</mark>, 1, size);", "call(<mark>beta</mark>, 1, size);"]


def test_lines_with_little_in_common_are_not_marked() -> None:
    assert "<mark>" not in "".join(row.html for row in hunk_of(b"-alpha beta gamma\n+one(two)\n").rows)


def test_markup_in_a_patch_is_text() -> None:
    html = html_of("<script>alert('1')</script>&amp;\"</mark>")
    assert html == "&lt;script&gt;alert(&#x27;1&#x27;)&lt;/script&gt;&amp;amp;&quot;&lt;/mark&gt;"


@pytest.mark.parametrize(
    ("character", "name"),
    [
        ("\u202e", "RIGHT-TO-LEFT OVERRIDE"),
        ("\u2066", "LEFT-TO-RIGHT ISOLATE"),
        ("\u200b", "ZERO WIDTH SPACE"),
        ("\u00ad", "SOFT HYPHEN"),
        ("\ufeff", "ZERO WIDTH NO-BREAK SPACE"),
        ("\u2062", "INVISIBLE TIMES"),
        ("\u3164", "HANGUL FILLER"),
        ("\u2028", "LINE SEPARATOR"),
        ("\U000e0041", "TAG LATIN CAPITAL LETTER A"),
        ("\x1b", "ESCAPE"),
        ("\x7f", "DELETE"),
        ("\x9b", "C1 CONTROL CHARACTER"),
        ("\r", "CARRIAGE RETURN"),
    ],
)
def test_characters_nobody_sees_are_drawn_with_their_name(character: str, name: str) -> None:
    assert html_of(f"a{character}b") == f'a<span class="ctl" title="{name}">U+{ord(character):04X}</span>b'


def test_a_tab_is_a_tab() -> None:
    assert html_of("\ta") == "\ta"


def test_the_cr_of_a_crlf_is_drawn_only_where_endings_are_mixed() -> None:
    assert [row.html for row in hunk_of(b"-a\r\n+b\r\n").rows] == ["a", "b"]
    assert [row.html.partition("<")[0] for row in hunk_of(b" x\n-a\n+a\r\n").rows] == ["x", "a", "a"]
    assert "U+000D" in hunk_of(b" x\n-a\n+a\r\n").rows[2].html


def test_a_long_line_is_cut_and_says_so() -> None:
    html = html_of("<" * 2_500)
    assert html.count("&lt;") == 2_000
    assert html.endswith('<span class="cut">… 500 more characters</span>')


def test_the_words_of_a_text_are_cut_after_lines_or_by_their_size_and_say_where_they_go_on() -> None:
    assert excerpt(b"a\n" * 300).next == 400
    assert excerpt(b"a" * 100_000).next is not None
    assert excerpt("é".encode() * 1_000, largest=1).raw == "é".encode() * 250
    assert excerpt(b"\x01" * 100_000).next is not None
    assert len(excerpt(b"\x01" * 100_000).html) < 100_000
    assert excerpt(b"<i>\r\n").html == "&lt;i&gt;\r\n"


def test_deleted_and_added_lines_stand_side_by_side() -> None:
    hunk = hunk_of(b" a\n-int alpha = 1;\n-gone entirely\n+int alpha = 2;\n b\n")
    sides = [(left and left.html[:5], right and right.html[:5]) for left, right in hunk.pairs]
    assert sides == [("a", "a"), ("int a", "int a"), ("gone ", None), ("b", "b")]


def test_the_note_about_a_missing_newline_stays_on_its_side() -> None:
    hunk = hunk_of(b"-a\n\\ No newline at end of file\n+b\n")
    assert [(left and left.kind, right and right.kind) for left, right in hunk.pairs] == [
        ("del", "add"),
        ("note", None),
    ]


def test_no_row_is_missing_on_the_sides_whatever_notes_there_are() -> None:
    hunk = hunk_of(b"-a\n\\ one\n\\ two\n-b\n+c\n\\ three\n\\ four\n\\ five\n d\n")
    shown = {id(row) for pair in hunk.pairs for row in pair if row}
    assert shown == {id(row) for row in hunk.rows}


def test_a_context_diff_is_drawn_like_a_unified_one() -> None:
    data = b"*** a/x\n--- b/x\n***************\n*** 4,6 ****\n  a\n! b\n  c\n--- 4,6 ----\n  a\n! B\n  c\n"
    (hunk,) = file_rows(parse(data).files[0])
    assert hunk.header == "*** 4,6 ****"
    assert [(row.kind, row.old, row.new, row.html) for row in hunk.rows] == [
        ("ctx", "4", "4", "a"),
        ("del", "5", "", "b"),
        ("add", "", "5", "B"),
        ("ctx", "6", "6", "c"),
    ]


def test_a_context_hunk_with_one_half_has_both_numbers() -> None:
    data = b"*** a/x\n--- b/x\n***************\n*** 4,5 ****\n--- 4,6 ----\n  a\n+ B\n  c\n"
    (hunk,) = file_rows(parse(data).files[0])
    assert [(row.kind, row.old, row.new) for row in hunk.rows] == [
        ("ctx", "4", "4"),
        ("add", "", "5"),
        ("ctx", "5", "6"),
    ]


def test_colours_go_by_the_name_of_the_file() -> None:
    assert hunk_of(b"+def f(): pass\n", b"d/x.py").rows[0].html == (
        '<span class="k">def</span> <span class="nf">f</span>(): <span class="k">pass</span>'
    )
    assert hunk_of(b"+#!/usr/bin/python\n+def f(): pass\n", b"script").rows[1].html == "def f(): pass"


def test_a_mark_inside_a_colour_keeps_both() -> None:
    rows = hunk_of(b"-return alpha + 1\n+return alpha + 2\n", b"x.py").rows
    assert rows[1].html.endswith('<mark><span class="mi">2</span></mark>')


def test_each_side_is_coloured_by_itself() -> None:
    rows = hunk_of(b' x = 1\n-"""old\n+y = "new"\n z = 2\n', b"x.py").rows
    assert '<span class="mi">2</span>' in rows[3].html


def test_long_lines_and_large_files_have_no_colour() -> None:
    long = hunk_of(b"+x = 1\n+y = '" + b"a" * 2_000 + b"'\n+z = 1\n", b"x.py").rows
    assert ["<span" in row.html.partition('<span class="cut"')[0] for row in long] == [True, False, True]
    large = file_rows(file_of(b"+x = 1\n" * 30_000, b"x.py"), count=1)[0]
    assert large.rows[0].html == "x = 1"


def test_a_great_many_blank_lines_have_no_colour() -> None:
    assert "<span" not in hunk_of(b"+int a;\n" + b"+\n" * 101, b"x.cpp").rows[0].html
    assert "<span" in hunk_of(b"+int a;\n" + b"+\n" * 100, b"x.cpp").rows[0].html


def test_no_time_left_means_no_colour() -> None:
    file = file_of(b"+x = 1\n", b"x.py")
    assert Highlighter(file, seconds=-1).hunk(file.hunks[0].lines) == [[("", "x = 1")]]


@pytest.mark.parametrize("name", ["", "x", "x.unknown", "x.rita", "*", "[", "\0", "a" * 5_000])
def test_a_name_without_a_language_has_no_lexer(name: str) -> None:
    assert lexer_for(name) is None


def test_every_name_has_the_lexer_that_pygments_has_for_it() -> None:
    patterns = {pattern for _, _, patterns, _ in get_all_lexers(plugins=False) for pattern in patterns}
    names = {pattern.replace("*", stem) for pattern in patterns for stem in ("", "x", "a.b", ".x")}
    for name in sorted(names):
        try:
            lexer = get_lexer_for_filename(name)
        except ClassNotFound:
            lexer = None
        safe = lexer is not None and LANGUAGES.intersection(lexer.aliases)
        assert type(lexer_for(name)) is (type(lexer) if safe else type(None)), name


def test_a_path_or_heading_can_be_drawn_like_a_line() -> None:
    assert text_html("<a>\u202e") == '&lt;a&gt;<span class="ctl" title="RIGHT-TO-LEFT OVERRIDE">U+202E</span>'
