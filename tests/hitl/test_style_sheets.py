"""Style sheets: many small files that people read, one that a page loads, and nothing in them that nobody uses."""

import re
from pathlib import Path

import pytest
from django.contrib.staticfiles import finders
from django.urls import reverse

from hitl.settings import BASE_DIR
from hitl.static_files import joined

CSS = BASE_DIR / "static" / "css"
ENTRY = CSS / "hitl.css"
PARTS = sorted(path for path in CSS.glob("*.css") if path != ENTRY)
COMMENT = re.compile(r"/\*.*?\*/", re.DOTALL)


def named(path: Path) -> str:
    return path.name


def test_a_page_loads_one_style_sheet(client) -> None:
    text = client.get(reverse("login")).content.decode()
    assert re.findall(r'<link rel="stylesheet" href="([^"]+)"', text) == ["/static/css/hitl.css"]


def test_the_style_sheet_a_browser_gets_asks_for_no_other(client) -> None:
    answer = client.get("/static/css/hitl.css")
    text = b"".join(answer).decode()
    answer.close()
    assert answer["Content-Type"] == 'text/css; charset="utf-8"'
    assert "@import" not in text
    assert "/*" not in text
    assert text.startswith("@layer reset, tokens, base, layout, components, utilities;")
    for path in PARTS:
        first = re.sub(r"\s*\n\s*", "\n", COMMENT.sub("", path.read_text())).split("{")[1].strip()
        assert first in text, path.name
    assert len(text) < 105_000


def test_every_file_is_in_the_style_sheet_once() -> None:
    imported = re.findall(r'^@import "\./([\w-]+\.css)";$', ENTRY.read_text(), re.MULTILINE)
    assert sorted(imported) == [path.name for path in PARTS]


@pytest.mark.parametrize("path", PARTS, ids=named)
def test_a_file_says_what_is_in_it_and_fills_one_layer(path: Path) -> None:
    text = path.read_text()
    assert text.startswith("/* ")
    assert len(re.findall(r"^@layer \w+ \{$", text, re.MULTILINE)) == 1
    assert COMMENT.sub("", text).strip().startswith("@layer ")
    assert text.count("\n") <= 400


def test_what_changed_in_a_file_is_in_the_style_sheet_found_next(tmp_path: Path, settings) -> None:
    settings.HITL_DATA_DIR = tmp_path / "data"
    settings.BASE_DIR = tmp_path
    (tmp_path / "static" / "css").mkdir(parents=True)
    (tmp_path / "static" / "css" / "hitl.css").write_text('/* All. */\n@layer a;\n\n@import "./one.css";\n')
    one = tmp_path / "static" / "css" / "one.css"
    for colour in ("red", "blue"):
        one.write_text("/* One. */\n@layer a {\n  b {\n    color: " + colour + ";\n  }\n}\n")
        found = finders.find("css/hitl.css")
        assert found == str(tmp_path / "data" / "static" / "css" / "hitl.css")
        assert Path(found).read_text().strip() == "@layer a;\n@layer a {\nb {\ncolor: " + colour + ";\n}\n}"


def test_every_class_is_used() -> None:
    """A class is used where its name stands, or the beginning of it with something to be filled in."""
    sources = [path for kind in ("html", "py", "js") for path in BASE_DIR.glob(f"[aht]*/**/*.{kind}")]
    sources += (BASE_DIR / "static" / "js").glob("*.js")
    text = "\n".join(path.read_text() for path in sources if "tests" not in path.parts)
    words = set(re.findall(r"[A-Za-z_][\w-]*", text))
    begun = set(re.findall(r"([a-z][\w-]*--|\bis-)(?=\{|\$\{)", text))
    classes = set(re.findall(r"\.([a-zA-Z_][\w-]*)(?=[^{};]*\{)", joined(ENTRY)))
    unused = {name for name in classes - words if not any(name.startswith(part) for part in begun)}
    # What htmx marks while it works.
    assert unused == {"htmx-request", "htmx-swapping", "htmx-added"}


def test_every_custom_property_is_used() -> None:
    text = joined(ENTRY)
    assert set(re.findall(r"^(--[\w-]+):", text, re.MULTILINE)) == set(re.findall(r"var\((--[\w-]+)", text))
