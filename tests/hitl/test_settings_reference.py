"""docs/settings.md is the settings module's own page, and nothing reads the environment past it."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest
from django.conf import global_settings

from hitl.management.commands.write_settings_reference import reference
from hitl.own_settings import SECTIONS

ROOT = Path(__file__).resolve().parents[2]
PRODUCT = [
    ROOT / "manage.py",
    *(
        file
        for app in ("hitl", "approvals", "audit", "notifications", "postgresql")
        for file in (ROOT / app).rglob("*.py")
    ),
]
NAMES = [setting.name for section in SECTIONS for setting in section.settings]
NOT_OURS = {"PYTHONPATH", "DJANGO_SETTINGS_MODULE"}
READERS = {"getenv", "env", "environ.get", "environ.pop", "environ.setdefault"}


def read_from_the_environment(source: str) -> Iterator[str]:
    """Yield each name that a module reads past `own_settings`."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Call) and node.args and ast.unparse(node.func).removeprefix("os.") in READERS:
            name = node.args[0]
        elif isinstance(node, ast.Subscript) and ast.unparse(node.value).removeprefix("os.") == "environ":
            name = node.slice
        else:
            continue
        if isinstance(name, ast.Constant) and not isinstance(getattr(node, "ctx", None), ast.Store):
            yield str(name.value)


def test_the_page_is_what_the_settings_say():
    """After a change: `manage.py write_settings_reference`."""
    assert (ROOT / "docs/settings.md").read_text("utf-8") == reference(SECTIONS)


def test_each_setting_stands_once_and_says_what_it_is_for():
    assert len(NAMES) == len(set(NAMES))
    for section in SECTIONS:
        for setting in section.settings:
            assert setting.meaning, setting.name
            assert "|" not in setting.default + setting.takes + setting.meaning, f"{setting.name} would break the table"


def test_whatever_the_product_reads_from_the_environment_is_on_the_page():
    past = {name for file in PRODUCT for name in read_from_the_environment(file.read_text("utf-8"))}
    assert past - NOT_OURS == set()


@pytest.mark.parametrize(
    "line", ["os.environ['NEW']", "os.environ.get('NEW', '')", "os.getenv('NEW')", "env('NEW')", "environ['NEW']"]
)
def test_the_search_for_readers_finds_them(line):
    assert list(read_from_the_environment(f"import os\nx = {line}\n")) == ["NEW"]


def test_whatever_is_on_the_page_is_used():
    elsewhere = "".join(file.read_text("utf-8") for file in PRODUCT if file.name != "own_settings.py")
    benchmarks = "".join(file.read_text("utf-8") for file in (ROOT / "benchmarks").rglob("*.py"))
    readers = elsewhere + benchmarks
    unused = [name for name in NAMES if f".{name}" not in readers and not hasattr(global_settings, name)]
    assert unused == []
