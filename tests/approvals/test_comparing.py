"""The page that compares two revisions says what differs and never that nothing does when something may."""

import re

import pytest
from django.urls import reverse

from tests.html import one_line

pytestmark = pytest.mark.django_db
NOTHING, WORDS = "Nothing that is applied differs", "Only words around the changes differ"
FIX = "--- a/x\n+++ b/x\n@@ -1,3 +1,3 @@\n a\n-b\n+c\n d\n"


@pytest.fixture
def compared(sign_in, alice, make_patch):
    """Return a function that pushes two revisions and returns the answer of their comparison."""

    def compare(old, new, **query):
        make_patch(patch_id="PATCH-X", diff=old)
        decision = make_patch(patch_id="PATCH-X", diff=new)
        return sign_in(alice).get(reverse("patch-compare", args=[decision.decision_id, 1]), query)

    return compare


def test_a_hunk_at_another_line_is_told(compared):
    html = one_line(compared(FIX, FIX.replace("-1,3 +1,3", "-104,3 +104,3")))
    assert "Hunk 1 moved from line 1 to 104." in html
    assert NOTHING not in html


def test_other_names_are_told(compared):
    html = one_line(compared(FIX, FIX.replace("--- a/x", "--- a/x.orig")))
    assert NOTHING not in html
    html = one_line(compared(FIX, FIX.replace("/x", "/lib-1/x")))
    assert NOTHING not in html


def test_words_that_gain_a_change_are_shown(compared):
    gained = "Index: a/setup.py\n3c3\n< a\n---\n> b\n\n"
    html = one_line(compared(f"Fix.\n\n{FIX}", f"Fix.\n\n{gained}{FIX}"))
    assert NOTHING not in html
    assert WORDS not in html
    assert "setup.py" in html


def test_other_words_are_shown_and_said_to_be_only_words(compared):
    html = one_line(compared(f"Fix.\n\n{FIX}", f"Fix it well.\n\n{FIX}"))
    assert WORDS in html
    assert "Fix it well." in re.sub(r"</?mark>", "", html)
    assert NOTHING not in html


def test_rows_beyond_the_first_ones_are_behind_links(compared, client, sign_in, alice):
    lines = "".join(f"+line {number}\n" for number in range(1_000))
    answer = compared(FIX, FIX + f"--- a/y\n+++ b/y\n@@ -0,0 +1,1000 @@\n{lines}")
    html, seen = answer.content.decode(), set()
    path = answer.request["PATH_INFO"]
    while True:
        seen |= {int(number) for number in re.findall(r"line (\d+)<", html)}
        following = re.search(r'href="(\?file=[^"]*from=\d+)"', html)
        if not following:
            break
        html = one_line(sign_in(alice).get(path + following[1].replace("&amp;", "&")))
    assert seen == set(range(1_000))
    assert sign_in(alice).get(path, {"file": "nothing"}).status_code == 404


def test_rows_of_control_characters_stay_within_the_page(compared):
    lines = "".join("+" + "\x01" * 2_500 + "\n" for _ in range(300))
    answer = compared(FIX, FIX + f"--- a/y\n+++ b/y\n@@ -0,0 +1,300 @@\n{lines}")
    assert len(answer.content) < 2_000_000
    assert "more lines" in one_line(answer)
