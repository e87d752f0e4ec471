"""House rules of every template and static file, read from the files themselves."""

import re
from pathlib import Path

import pytest

from hitl.settings import BASE_DIR
from tests.test_architecture import MAILS

TEMPLATES = sorted((BASE_DIR / "templates").rglob("*.html"))
ICONS = set(re.findall(r'id="i-([\w-]+)"', (BASE_DIR / "static" / "icons.svg").read_text()))


def named(path: Path) -> str:
    return str(path.relative_to(BASE_DIR / "templates"))


@pytest.mark.parametrize("path", TEMPLATES, ids=named)
def test_no_line_is_longer_than_one_reads_at_a_glance(path: Path) -> None:
    assert [line for line in path.read_text().splitlines() if len(line) > 120] == []


@pytest.mark.parametrize("path", [path for path in TEMPLATES if path != MAILS], ids=named)
def test_nothing_inline_that_a_strict_csp_would_block(path: Path) -> None:
    text = path.read_text()
    assert not re.search(r"\sstyle=|<style|\son[a-z]+=|javascript:", text)
    assert re.findall(r"<script(?![^>]*\ssrc=)", text) == []


@pytest.mark.parametrize("path", [path for path in TEMPLATES if path.name.startswith("_")], ids=named)
def test_a_fragment_is_no_page(path: Path) -> None:
    text = path.read_text()
    assert "{% extends" not in text
    assert "<html" not in text


@pytest.mark.parametrize("path", TEMPLATES, ids=named)
def test_every_icon_is_in_the_sprite(path: Path) -> None:
    assert set(re.findall(r'{% icon "([\w-]+)"', path.read_text())) <= ICONS


@pytest.mark.parametrize("path", TEMPLATES, ids=named)
def test_every_form_that_posts_carries_the_token(path: Path) -> None:
    for form in re.findall(r"<form.*?</form>", path.read_text(), re.S):
        if re.search(r'method="post"', form):
            assert "{% csrf_token %}" in form or "{{ csrf_input }}" in form


def test_style_sheets_and_scripts_stay_small() -> None:
    static = BASE_DIR / "static"
    assert sum(path.stat().st_size for path in static.glob("css/*.css")) < 150_000
    assert sum(path.stat().st_size for path in static.glob("js/*.js")) < 40_000


def test_every_class_of_a_diff_line_has_a_style() -> None:
    css = (BASE_DIR / "static" / "css" / "diff.css").read_text()
    for kind in ("is-add", "is-del", "is-ctx", "is-note", "is-other"):
        assert f".{kind}" in css
