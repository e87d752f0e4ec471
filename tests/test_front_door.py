"""Tests come in by the front door: nothing without its constructor, no private names, no catalogue written by hand."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.test_architecture import APPS, ROOT, TESTS

OURS = (*(f"{app}." for app in APPS), "tests.")
PRIVATE = re.compile(r"_[a-z]\w*$")
CATALOGUE = re.compile(r"\s*(?:update|insert into|delete from) (?:pg_catalog\.)?pg_", re.I)


def private_doors(path: Path) -> Iterator[str]:
    """Yield what a test takes that the product does not offer: instances without their constructor, private names of
    ours, catalogues of the database written by hand."""
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Attribute) and node.attr == "__new__" and ast.unparse(node.value) == "object":
            yield "object.__new__"
        elif isinstance(node, ast.ImportFrom) and f"{node.module}.".startswith(OURS):
            yield from (f"{node.module}.{name.name}" for name in node.names if PRIVATE.match(name.name))
        elif isinstance(node, ast.Call) and ast.unparse(node.func) == "monkeypatch.setattr":
            names = [str(part.value) for part in node.args[:2] if isinstance(part, ast.Constant)]
            yield from (name for name in names if PRIVATE.match(name.rpartition(".")[2]))
        elif isinstance(node, ast.Constant) and isinstance(node.value, str) and CATALOGUE.match(node.value):
            yield str(node.value)


def test_tests_come_in_by_the_front_door():
    found = {str(path.relative_to(ROOT)): list(private_doors(path)) for path in TESTS}
    assert {path: doors for path, doors in found.items() if doors} == {}


@pytest.mark.parametrize(
    "line",
    [
        "worker = object" + ".__new__(Worker)",
        "from approvals.services.intake import _place",
        "monkeypatch.setattr(ops, '_database', away)",
        "monkeypatch.setattr('hitl.ops._database', away)",
        "cursor.execute('update " + "pg_class set relpages = 50')",
    ],
)
def test_the_search_for_private_doors_finds_them(tmp_path, line):
    (tmp_path / "test_it.py").write_text(line)
    assert len(list(private_doors(tmp_path / "test_it.py"))) == 1
