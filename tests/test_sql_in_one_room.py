"""Statements stand whole and have a name, and one module locks decisions."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from django.apps import apps

from tests.test_architecture import PRODUCT, name_of, parsed

SQL = re.compile(
    r"^\s*(?:select\b(?! an? )|with \w+ as|insert into|update \w+ set|delete from)|\b(?:from|join) [{\"]?\w+_\w+", re.M
)
WRAPS_THE_ORM = "approvals/queries/queue.py"
"""Counts the rows of a slice by priority, which the ORM cannot: its own statement stands in another one."""
LOCKS = "approvals/services/decision_lock.py"
DECISIONS = "approvals_decision"
LOCKING = re.compile(r"\bfor (?:no key )?update\b", re.I)
FROM_PARAMETER = {("approvals/services/same_lines.py", "missing"), ("approvals/services/second_person.py", "model")}
"""Locks rows of patches, and the targets of a proposal."""
MODULES = [
    path
    for path in PRODUCT
    if name_of(path).startswith(("approvals/", "audit/", "notifications/"))
    and not name_of(path).startswith("approvals/policy/")  # CEL programs are executed there
    and "migrations" not in path.parts
]


def assembled(path: Path) -> list[str]:
    """Return where SQL is put together from parts: f-strings, `+`, `%` and `format`."""
    found = []
    for node in ast.walk(parsed(path)):
        if isinstance(node, ast.JoinedStr):
            parts = node.values
        elif isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add | ast.Mod):
            parts = [node.left, node.right]
        elif (
            isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in {"format", "join"}
        ):
            parts = [node.func.value]
        else:
            continue
        texts = [part.value for part in parts if isinstance(part, ast.Constant) and isinstance(part.value, str)]
        if any(SQL.search(text) for text in texts):
            found.append(f"{name_of(path)}:{node.lineno}")
    return found


def unnamed(path: Path) -> list[str]:
    """Return where a statement is run that has no name ending in `_SQL`; `listen` takes no parameter and is none."""
    found = []
    for node in ast.walk(parsed(path)):
        if isinstance(node, ast.Call) and called(node) in {"query", "query_prepared", "execute"} and node.args:
            [first, *_] = node.args
            named = isinstance(first, ast.Name) and first.id.endswith("_SQL")
            listens = ast.unparse(first).startswith(("f'listen ", "'listen "))
            if not named and not listens:
                found.append(f"{name_of(path)}:{node.lineno}")
    return found


def called(node: ast.expr) -> str:
    function = node.func if isinstance(node, ast.Call) else node
    return function.attr if isinstance(function, ast.Attribute) else getattr(function, "id", "")


def locks_on_decisions(path: Path) -> list[str]:
    """Return where decisions are locked: by the ORM, in SQL, or on rows that came from somewhere else."""
    return [
        f"{name_of(path)}:{line}"
        for line, what in locks(path)
        if what == "Decision" or what not in KNOWN_MODELS and (name_of(path), what) not in FROM_PARAMETER
    ]


KNOWN_MODELS = {model.__name__ for model in apps.get_models()}


def locks(path: Path) -> Iterator[tuple[int, str]]:
    """Yield the line of each lock on rows and the name it begins with: a model's, or a variable's."""
    for node in ast.walk(parsed(path)):
        if isinstance(node, ast.Call) and called(node) == "select_for_update":
            root: ast.expr = node
            while isinstance(root, ast.Call | ast.Attribute):
                root = root.func if isinstance(root, ast.Call) else root.value
            yield node.lineno, ast.unparse(root)
        elif isinstance(node, ast.Constant) and LOCKING.search(str(node.value)) and DECISIONS in str(node.value):
            yield node.lineno, "Decision"


def test_statements_stand_whole() -> None:
    found = [place for path in MODULES for place in assembled(path)]
    assert [place.split(":")[0] for place in found] == [WRAPS_THE_ORM], found


def test_statements_have_a_name() -> None:
    found = [place for path in MODULES for place in unnamed(path)]
    assert [place.split(":")[0] for place in found] == [WRAPS_THE_ORM], found


def test_one_module_locks_decisions() -> None:
    elsewhere = [path for path in PRODUCT if "migrations" not in path.parts and name_of(path) != LOCKS]
    assert [place for path in elsewhere for place in locks_on_decisions(path)] == []


@pytest.mark.parametrize(
    "line",
    [
        'A_SQL = f"select {columns} from approvals_patch"',
        'A_SQL = "select id from approvals_patch" + WHERE',
        'A_SQL = "select id from approvals_patch where id = %s" % key',
        'A_SQL = "select {} from approvals_patch".format(columns)',
        'A_SQL = f"{START} join approvals_patch on true"',
        'A_SQL = "select id from approvals_patch where id in " f"({B_SQL})"',
    ],
)
def test_the_search_for_assembled_statements_finds_them(tmp_path, monkeypatch, line):
    assert assembled(module(tmp_path, monkeypatch, line))
    whole = 'A_SQL = "select id from approvals_patch"\nsentence = f"Select {one} from the list."\n'
    assert assembled(module(tmp_path, monkeypatch, whole)) == []


def test_the_search_for_statements_without_a_name_finds_them(tmp_path, monkeypatch):
    for line in ('query("select 1")', 'query_prepared(f"select {one}")', "cursor.execute(text)"):
        assert unnamed(module(tmp_path, monkeypatch, line)), line
    assert unnamed(module(tmp_path, monkeypatch, "query(ONE_SQL)\npostgres.execute(f'listen {LIVE}')")) == []


def test_the_search_for_locks_finds_them(tmp_path, monkeypatch):
    for line in (
        "Decision.objects.select_for_update().get(pk=1)",
        "Decision.objects.filter(pk=1).select_for_update(of=('self',))",
        "rows.select_for_update()",
        "A_SQL = 'select id from approvals_decision for update'",
        "A_SQL = 'select id from approvals_decision d for no key update of d'",
    ):
        assert locks_on_decisions(module(tmp_path, monkeypatch, line)), line
    assert locks_on_decisions(module(tmp_path, monkeypatch, "User.objects.select_for_update().get(pk=1)")) == []


def module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str) -> Path:
    monkeypatch.setattr("tests.test_architecture.ROOT", tmp_path)
    path = tmp_path / "module.py"
    path.write_text(text)
    return path
