"""Text from outside stays text: nothing of it becomes markup, no character stays invisible, links are http(s) only."""

from types import SimpleNamespace

import pytest
from django.utils.html import strip_tags
from hypothesis import given
from hypothesis import strategies as st

from approvals.templatetags.text_tags import (
    bare,
    folders,
    hexgroups,
    link_host,
    link_title,
    linkify,
    log_text,
    visible,
)

RIGHT_TO_LEFT = "\u202e"


@pytest.mark.parametrize("attack", ["<script>alert(1)</script>", '"><img src=x onerror=alert(1)>', "<a href=x>"])
def test_markup_in_text_is_shown_and_not_obeyed(attack: str) -> None:
    for html in (linkify(attack), visible(attack), log_text(attack), bare(attack)):
        assert "<script" not in html
        assert "<img" not in html
        assert "<a " not in html
    assert strip_tags(linkify(attack)) != ""


def test_an_address_becomes_a_link_that_tells_the_other_site_nothing() -> None:
    html = linkify("See https://example.org/x?a=1&b=2.")
    assert 'href="https://example.org/x?a=1&amp;b=2"' in html
    assert 'rel="noreferrer nofollow ugc"' in html
    assert html.endswith("</a>.")


@pytest.mark.parametrize(
    "text", ["javascript:alert(1)", "data:text/html,x", "ftp://example.org", "//example.org", "https://", "http://["]
)
def test_only_http_addresses_become_links(text: str) -> None:
    assert "<a" not in linkify(text)
    assert link_host(text) == ""


def test_quotes_in_an_address_cannot_leave_the_attribute() -> None:
    html = linkify("https://example.org/'onmouseover=alert(1)//\"><b>")
    assert "onmouseover" not in html.partition("</a>")[0]


@given(st.text())
def test_no_text_can_bring_its_own_elements(text: str) -> None:
    remains = linkify(text).replace("<br>", "")
    for allowed in ('<a href="', "</a>", '<span class="ctl" title="', "</span>", '" rel="noreferrer nofollow ugc">'):
        remains = remains.replace(allowed, "")
    assert "<" not in remains


def test_line_breaks_are_kept() -> None:
    assert linkify("one\r\ntwo\nthree") == "one<br>two<br>three"
    assert log_text("one\r\ntwo") == "one\ntwo"


def test_an_erased_or_empty_text_is_empty() -> None:
    assert linkify(None) == linkify("") == ""


@pytest.mark.parametrize("show", [visible, linkify, log_text, bare])
def test_a_character_nobody_sees_is_drawn(show: object) -> None:
    html = show(f"adm{RIGHT_TO_LEFT}in")  # type: ignore[operator]
    assert RIGHT_TO_LEFT not in html
    assert "U+202E" in html


def test_a_digest_is_grouped_for_the_eye_and_loses_nothing() -> None:
    digest = "0123456789abcdef" * 4
    html = hexgroups(digest)
    assert html.startswith("<b>01234567</b> 89abcdef")
    assert strip_tags(html).replace(" ", "") == digest
    assert hexgroups("") == ""


def test_a_path_shows_its_last_part_strong() -> None:
    assert bare("a/b/c.py") == "<bdi>a/b/<b>c.py</b></bdi>"
    assert bare("c.py") == "<bdi><b>c.py</b></bdi>"


def test_a_reference_shows_its_host_and_its_end() -> None:
    address = "https://nvd.nist.gov/vuln/detail/CVE-2021-44228"
    assert link_host(address) == "nvd.nist.gov"
    assert link_title(address) == "CVE-2021-44228"
    assert link_title("https://example.org/") == "example.org"


def test_files_are_grouped_by_folder_without_what_all_share() -> None:
    files = [SimpleNamespace(path=f"src/main/{name}") for name in ("lookup/A.java", "lookup/B.java", "net/C.java")]
    groups = folders(files)
    assert [group["short"] for group in groups] == ["lookup", "net"]
    assert [[item["name"] for item in group["files"]] for group in groups] == [["A.java", "B.java"], ["C.java"]]


@pytest.mark.parametrize(("path", "short"), [("README", "/"), ("a/b.py", "a"), ("a/b/c.py", "a/b")])
def test_a_single_folder_keeps_its_name(path: str, short: str) -> None:
    assert [group["short"] for group in folders([SimpleNamespace(path=path)])] == [short]
    assert folders([]) == []


def test_a_folder_all_others_lie_in_keeps_a_name() -> None:
    groups = folders([SimpleNamespace(path="src/a.py"), SimpleNamespace(path="src/deep/b.py")])
    assert [group["short"] for group in groups] == ["src", "deep"]


def test_many_invisible_characters_are_drawn_by_runs():
    html = visible("\u200b" * 25 + "a\u200bb\x01\x02")
    assert html.count('title="ZERO WIDTH SPACE"') == 20
    assert (
        'class="ctl">U+200B × 5</span>a<span class="ctl">U+200B</span>b<span class="ctl">invisible × 2</span>' in html
    )


def test_a_text_of_many_lines_has_one_count():
    assert linkify("\x01\n" * 30).count("START OF HEADING") == 20
