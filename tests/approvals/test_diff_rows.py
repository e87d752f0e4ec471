"""The rows of a diff table: nothing from outside is markup, and a stretch ends where something is said."""

import pytest

from approvals.diff.rows import Row
from approvals.views.diff_rows import Line, Table

HOSTILE = "<script>\"'\u202e"


def line(old: str = "", new: str = "1", **more: object) -> Line:
    facts = {"css": "", "notes": [], "comments": [], "before": [], "composing": None} | more
    return Line(Row("add" if new else "del", old, new, "+" if new else "−", "<b>shown</b>"), **facts)  # type: ignore[arg-type]


def test_a_note_is_text_whatever_it_says():
    for [part] in (
        Table("f1").unified([line(notes=[(HOSTILE, HOSTILE)])]),
        Table("f1").split([(None, line(notes=[(HOSTILE, HOSTILE)]))]),
    ):
        assert "<script" not in part.html
        assert 'data-tip="&lt;script&gt;&quot;&#x27;‹U+202E›"' in part.html
        assert "<b>shown</b>" in part.html  # the text of a line comes as markup


def test_the_address_that_asks_for_a_form_is_text_too():
    [part] = Table("f1", '?list="><script>&at=').unified([line()])
    assert 'href="?list=&quot;&gt;&lt;script&gt;&amp;at=f1-n1" aria-label="Comment on line 1"' in part.html
    assert "<a" not in Table("f1").unified([line()])[0].html  # who may not comment is asked nothing


def test_a_stretch_ends_where_something_is_said():
    said = line(old="2", new="", before=["words"])
    parts = Table("f1").unified([line(), said, line(new="3"), line(new="4")])
    assert [part.html.count("<tr") for part in parts] == [2, 2]
    assert (parts[0].old, parts[1].old) == (said, None)
    [first, second] = Table("f1").split([(said, line()), (None, line(new="3"))])
    assert (first.old, second.new) == (said, None)


def test_each_line_has_one_address():
    rows = [line(), line(old="2", new=""), line(old="3", new="3")]
    unified = Table("f1").unified(rows)[0].html
    split = Table("f1").split([(rows[1], rows[0]), (rows[2], rows[2])])[0].html
    for html in (unified, split):
        assert [html.count(f'id="f1-{place}"') for place in ("n1", "o2", "n3", "o3")] == [1, 1, 1, 0]


def test_a_long_stretch_of_unchanged_lines_folds_in_its_middle():
    same = [Line(Row("ctx", str(n), str(n), "", ""), "", [], [], [], None) for n in range(1, 17)]
    changed = line(new="17")
    for parts in (
        Table("f1").unified([*same, changed]),
        Table("f1").split([*((one, one) for one in same), (None, changed)]),
    ):
        assert [(part.html.count("<tr"), part.folded) for part in parts] == [(3, 0), (10, 10), (4, 0)]
    assert [part.folded for part in Table("f1").unified(same[1:])] == [0]  # too few to fold


@pytest.mark.parametrize("what", [{"comments": ["words"]}, {"notes": [("odd", "words")]}, {"css": " is-moved"}])
def test_what_is_said_or_marked_at_is_never_folded_away(what):
    facts = {"css": "", "notes": [], "comments": [], "before": [], "composing": None}
    same = [Line(Row("ctx", str(n), str(n), "", ""), **facts) for n in range(1, 31)]
    same[14] = Line(same[14].row, **facts | what)
    parts = Table("f1").unified(same)
    assert not any(part.folded and 'id="f1-n15"' in part.html for part in parts)
    assert sum(part.html.count("<tr") for part in parts) == 30
