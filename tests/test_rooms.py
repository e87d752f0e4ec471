"""What belongs in which room: no HTTP and no clock in services and queries, no words and no colours in queries."""

import ast
import re
from pathlib import Path

import pytest

from tests.test_architecture import ROOT, imports, name_of, parsed

SERVICES = [
    path
    for part in ("approvals/services", "approvals/accounts/services")
    for path in sorted((ROOT / part).rglob("*.py"))
]
QUERIES = sorted((ROOT / "approvals/queries").rglob("*.py"))
OF_HTTP = ("django.http", "django.urls", "django.shortcuts", "django.views")
OF_HTTP_WHOLLY = {"http", "ninja", "requests", "urllib", "time"}
DRAWS = {"render", "_page", "again", "refused", "panel_or_page", "comment_again"}
CLOCKS = {"timezone.now", "datetime.now", "datetime.utcnow", "datetime.today", "date.today"}


def http_and_clocks(path: Path) -> list[str]:
    """Return where a module knows of requests, answers or addresses, or reads a clock instead of being told."""
    found = [
        f"{name_of(path)}:{line} imports {imported}"
        for line, imported in imports(path)
        if imported.split(".")[0] in OF_HTTP_WHOLLY or imported.startswith(OF_HTTP)
    ]
    for node in ast.walk(parsed(path)):
        if isinstance(node, ast.Attribute) and (node.attr == "status_code" or ast.unparse(node) in CLOCKS):
            found.append(f"{name_of(path)}:{node.lineno} {ast.unparse(node)}")
    return found


def test_migrations_keep_copies_of_what_they_need():
    every = [
        path
        for app in ("approvals", "audit", "notifications")
        for path in sorted((ROOT / app / "migrations").glob("*.py"))
    ]
    living = ("services", "queries", "policy", "diff", "accounts", "views", "api")
    assert every
    assert [
        f"{name_of(path)}:{line} imports {imported}"
        for path in every
        for line, imported in imports(path)
        if imported.split(".")[1:2] and imported.split(".")[1] in living
    ] == []


def test_services_and_queries_know_no_http_and_are_told_the_time():
    assert SERVICES
    assert QUERIES
    assert [place for path in [*SERVICES, *QUERIES] for place in http_and_clocks(path)] == []


@pytest.mark.parametrize(
    "line",
    [
        "from django.http import HttpResponse",
        "from django.urls import reverse",
        "from ninja import Router",
        "import time",
        "from http import HTTPStatus",
        "from urllib.parse import urlencode",
        "now = timezone.now()",
        "now = datetime.now(UTC)",
        "kept = response.status_code < 500",
    ],
)
def test_the_search_for_http_and_clocks_finds_them(tmp_path, monkeypatch, line):
    monkeypatch.setattr("tests.test_architecture.ROOT", tmp_path)
    path = tmp_path / "module.py"
    path.write_text(line)
    assert http_and_clocks(path)
    path.write_text("from django.db import transaction\nfrom datetime import timedelta\nat = now + timedelta(days=1)\n")
    assert http_and_clocks(path) == []


SQL_TEXT = re.compile(r"\b(select|from|where|join|having|(order|group) by|with|union)\b|\bas \(")
FOR_READERS = re.compile(r"^[A-Z][a-z]+|[A-Za-z]{2,} [A-Za-z]{2,}")
TONES = {"accent", "cyan", "violet", "danger", "success", "info"}
REFUSALS = {"Conflict", "Invalid", "NotAllowed", "NotFound", "BadCursor"}


def speaks(text: str) -> bool:
    return text in TONES or bool(FOR_READERS.search(text) and not SQL_TEXT.search(text))


def words_and_colours(path: Path) -> list[str]:
    """Return what a module says to readers: labels and sentences, colours, the names of choices, formats of numbers.

    SQL, docstrings and the sentence of a refusal are none of these.
    """
    tree = parsed(path)
    found = [
        f"{name_of(path)}:{line} imports {imported}"
        for line, imported in imports(path)
        if imported.startswith(("audit.words", "audit.types", "approvals.templatetags"))
    ]
    apart = {
        id(part)
        for node in ast.walk(tree)
        if isinstance(node, ast.Raise)
        or (isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant))
        or (isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in REFUSALS)
        for part in ast.walk(node)
    }
    for node in ast.walk(tree):
        if id(node) in apart:
            continue
        if isinstance(node, ast.Attribute) and (node.attr == "label" or node.attr.endswith("_display")):
            found.append(f"{name_of(path)}:{node.lineno} .{node.attr}")
        elif isinstance(node, ast.FormattedValue) and node.format_spec:
            found.append(f"{name_of(path)}:{node.lineno} format of {ast.unparse(node.value)}")
        elif isinstance(node, ast.Constant) and isinstance(node.value, str) and speaks(node.value):
            found.append(f"{name_of(path)}:{node.lineno} {node.value!r}")
    return found


def drawn_while_handling(path: Path) -> list[str]:
    """Return where a view draws a page before the exception that led to it is over."""
    return [
        f"{name_of(path)}:{call.lineno} {call.func.id}"
        for handler in ast.walk(parsed(path))
        if isinstance(handler, ast.ExceptHandler)
        for call in ast.walk(handler)
        if isinstance(call, ast.Call) and isinstance(call.func, ast.Name) and call.func.id in DRAWS
    ]


def test_a_page_is_drawn_once_the_exception_that_led_to_it_is_over():
    """Each exception that drawing raises and catches would get the one being handled as its context."""
    views = [path for part in ("approvals", "audit") for path in sorted((ROOT / part).rglob("views/*.py"))]
    assert views
    assert [place for path in views for place in drawn_while_handling(path)] == []


def test_queries_return_data_and_no_words_or_colours():
    assert [place for path in QUERIES for place in words_and_colours(path)] == []


@pytest.mark.parametrize(
    "line",
    [
        "label = 'Pending'",
        "label = 'an authenticator app'",
        "kind = 'violet'",
        "text = f'{count:,}'",
        "word = Status(status).label",
        "word = patch.get_severity_display()",
        "from audit.words import submitted",
    ],
)
def test_the_search_for_words_and_colours_finds_them(tmp_path, monkeypatch, line):
    monkeypatch.setattr("tests.test_architecture.ROOT", tmp_path)
    path = tmp_path / "module.py"
    path.write_text(line)
    assert words_and_colours(path)
    harmless = [
        '"""Read the rows of a list."""',
        "ROWS_SQL = 'select id from approvals_patch'",
        "raise NotFound('There is no such gate.')",
        "state = 'auto_approved'",
    ]
    path.write_text("\n".join(harmless))
    assert words_and_colours(path) == []
