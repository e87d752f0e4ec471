"""Cells that show every line break hold no more of them than the patch does, however the templates are laid out."""

import re
from types import SimpleNamespace
from typing import Any

import pytest
from django.template.loader import render_to_string
from django.utils.html import strip_tags
from django.utils.safestring import mark_safe

QUIET = SimpleNamespace(before=[], comments=[], composing=None)
FOLDED = SimpleNamespace(folded=12, html=mark_safe("<tr></tr>"), old=QUIET, new=QUIET)
HUNK = SimpleNamespace(header="@@ -1,2 +1,2 @@", heading="def f():", odd=[], stretches=[FOLDED])


def cells(html: str, known_by: str) -> list[str]:
    found = re.findall(rf'<td[^>]*class="{known_by}"[^>]*>(.*?)</td>', html, re.S)
    return [strip_tags(cell) for cell in found]


@pytest.mark.parametrize("layout", ["unified", "split"])
def test_no_blank_is_added_to_a_line_of_a_diff(layout: str) -> None:
    file = SimpleNamespace(path="app.py", rows=[HUNK])
    html = render_to_string(f"approvals/_diff_{layout}.html", {"file": file})
    assert cells(html, "diff__code") == ["@@ -1,2 +1,2 @@ def f():", "12 unchanged lines"]


def test_no_blank_is_added_to_what_differs_between_revisions() -> None:
    older, newer = (SimpleNamespace(patch=SimpleNamespace(revision=number)) for number in (1, 2))
    rows: list[Any] = [SimpleNamespace(label="Context", old="a  b", new="")]
    patch = SimpleNamespace(is_gate=False)
    context = {"older": older, "newer": newer, "patch": patch, "differences": [("Context", rows)]}
    html = render_to_string("approvals/_differences.html", context)
    assert cells(html, "full") == ["Revision 1a  b", "Revision 2not given"]
