"""The documentation holds together: links lead somewhere, what it names is there, and nothing is said twice."""

import re
from collections import defaultdict
from collections.abc import Iterator
from functools import cache
from pathlib import Path

from django.core.management import get_commands

from tests.security.test_asvs import is_there
from tests.test_architecture import PRODUCT

ROOT = Path(__file__).resolve().parents[2]
DOCS = ROOT / "docs"
PAGES = sorted(DOCS.rglob("*.md"))
ALL = [*PAGES, ROOT / "README.md", ROOT / "CONTRIBUTING.md", ROOT / "SECURITY.md"]
GENERATED = {DOCS / "api-reference.md", DOCS / "settings.md"}
CODE_BLOCK = re.compile(r"^ *```.*?^ *```$", re.S | re.M)
LINK = re.compile(r"\]\(([^)\s]+)\)")
QUOTED = re.compile(r"`([^`\n]+)`")
OF_OTHERS = {"NAME_FILE", "CURL_CA_BUNDLE", "PGPASSFILE", "REQUESTS_CA_BUNDLE"}
"""What pages name that the code does not: any setting's file, and variables that libraries read."""
SENTENCE = 60  # characters, from which on two that are equal are no accident


def name_of(path: Path) -> str:
    return str(path.relative_to(ROOT))


@cache
def text_of(path: Path) -> str:
    return path.read_text("utf-8")


def prose(path: Path) -> str:
    return CODE_BLOCK.sub("", text_of(path))


@cache
def anchors(path: Path) -> set[str]:
    """Return the headings of a page as addresses name them; a repeated one gets a number."""
    found: dict[str, int] = defaultdict(int)
    names = set()
    for title in re.findall(r"^#+ (.+)$", CODE_BLOCK.sub("", text_of(path)), re.M):
        plain = re.sub(r"[^\w -]", "", title.lower()).strip().replace(" ", "-")
        names.add(f"{plain}-{found[plain]}" if found[plain] else plain)
        found[plain] += 1
    return names


def links(path: Path) -> Iterator[tuple[str, Path, str]]:
    """Yield each link into the repository: as written, the file it names and the heading."""
    for address in LINK.findall(prose(path)):
        if not re.match(r"[a-z]+:", address):
            file, _, heading = address.partition("#")
            yield address, (path.parent / file).resolve() if file else path, heading


def test_every_link_leads_to_a_file_and_a_heading_that_are_there():
    broken = [
        f"{name_of(path)}: {address}"
        for path in ALL
        for address, file, heading in links(path)
        if not file.exists() or (heading and file in PAGES and heading not in anchors(file))
    ]
    assert broken == []


def test_the_index_leads_to_every_page():
    reached, ahead = set(), [DOCS / "README.md"]
    while ahead:
        page = ahead.pop()
        reached.add(page)
        ahead += [file for _, file, _ in links(page) if file.suffix == ".md" and file.exists() and file not in reached]
    assert [name_of(page) for page in PAGES if page not in reached] == []


def test_every_command_and_target_that_is_named_exists():
    targets = set(re.findall(r"^([a-z-]+):", text_of(ROOT / "Makefile"), re.M))
    unknown = []
    for path in ALL:
        text = text_of(path)
        commands = re.findall(r"manage\.py ([a-z]\w+)", text)
        unknown += [f"{name_of(path)}: manage.py {name}" for name in commands if name not in get_commands()]
        asked = re.findall(r"(?:`|\$ |^)make ([a-z][\w-]*)", text, re.M)
        unknown += [f"{name_of(path)}: make {name}" for name in asked if name not in targets]
    assert unknown == []


def test_every_setting_that_is_spelled_exists():
    sources = [*PRODUCT, *(ROOT / "tests").rglob("*.py"), *(ROOT / "benchmarks").rglob("*.py")]
    sources += [ROOT / name for name in ("Dockerfile", "Makefile", "pyproject.toml")]
    sources += [path for path in (ROOT / "deploy").rglob("*") if path.is_file() and path.stat().st_size < 200_000]
    code = "\n".join(path.read_text("utf-8", "replace") for path in sources)
    spelled = {
        (name_of(path), name) for path in ALL for name in re.findall(r"`\$?([A-Z][A-Z0-9]*_[A-Z0-9_]+)", prose(path))
    }
    known = set(re.findall(r"\b[A-Z][A-Z0-9_]+\b", code)) | OF_OTHERS
    spelled = {one for one in spelled if not one[1].startswith("OTEL_")}  # OpenTelemetry's own, read by its packages
    assert sorted(one for one in spelled if one[1] not in known and one[1].removesuffix("_FILE") not in known) == []


def sentences(path: Path) -> Iterator[str]:
    """Yield the sentences of a page, of table cells too, without marks and line breaks."""
    for block in re.split(r"\n\s*\n|^\s*[-*\d.]+ |\|", prose(path), flags=re.M):
        plain = re.sub(r"`[^`]*`|\]\([^)]*\)|[*\[\]]", "", " ".join(block.split()))
        yield from (one.strip(" .:;").lower() for one in re.split(r"(?<=[.:;?!]) ", plain))


def test_no_sentence_stands_twice():
    """But in runbooks: at 3 a.m. nobody goes from page to page, so each says all that its alert needs."""
    where = defaultdict(list)
    for path in ALL:
        if path not in GENERATED:
            for sentence in sentences(path):
                if len(sentence) > SENTENCE:
                    where[sentence].append(name_of(path))
    twice = {sentence: pages for sentence, pages in where.items() if len(pages) > 1}
    assert {one: pages for one, pages in twice.items() if not all("runbooks/" in page for page in pages)} == {}


def test_the_search_for_sentences_and_headings_finds_them(tmp_path):
    page = tmp_path / "page.md"
    page.write_text(
        "# A name: `x`, twice\n\nOne\nsentence. | a cell of [a table](x.md) |\n\n- A point.\n\n"
        "```\nCode.\n```\n\n# A name\n\n# A name\n"
    )
    assert anchors(page) == {"a-name-x-twice", "a-name", "a-name-1"}
    assert {"one sentence", "a cell of a table", "a point"} <= set(sentences(page))
    assert "code" not in set(sentences(page))


def test_every_place_that_the_controls_name_is_there():
    places = [place for place in QUOTED.findall(text_of(DOCS / "security/controls.md")) if "/" in place]
    assert len(places) > 50
    assert [place for place in places if not is_there(place)] == []


def test_what_troubleshooting_quotes_is_what_the_product_says():
    """A sentence of the first column, its `…` left out, stands in the code or a template."""
    sources = [*PRODUCT, *(ROOT / "templates").rglob("*.html")]
    joined = re.sub(r'"\s*\n\s*f?"', "", "\n".join(text_of(path) for path in sources))
    said = " ".join(joined.split()) + "Bad Request (400)"  # Django's own
    first = re.findall(r"^\| `([A-Z…][^`]+)`", text_of(DOCS / "troubleshooting.md"), re.M)
    parts = [part.strip() for quoted in first for part in quoted.split("…")]
    assert len(first) > 40
    assert [part for part in parts if len(part) > 3 and part not in said] == []
