"""The house rules of architecture.md as tests: arrows between modules, one writer, no signals, size, strict CSP."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from django.apps import apps

from approvals import permissions

ROOT = Path(__file__).resolve().parent.parent
APPS = ("hitl", "approvals", "audit", "notifications", "postgresql")
PRODUCT = sorted(path for app in APPS for path in (ROOT / app).rglob("*.py"))
TESTS = sorted((ROOT / "tests").rglob("*.py"))
TEMPLATES = sorted((ROOT / "templates").rglob("*.html"))

# What each app may import of the others.
BELOW = {
    "hitl": {"approvals", "audit", "notifications", "postgresql"},
    "approvals": {"audit", "notifications", "postgresql"},
    "audit": {"postgresql"},
    "notifications": {"postgresql"},
    "postgresql": set(),
}
# Inside `approvals` a module imports from its own part or from one further down.
LAYERS = [
    {"errors", "models", "permissions", "requests", "strict_json"},
    {"policy", "diff"},
    {"queries"},
    {"services", "accounts.services"},
    {"fields", "forms", "deployments_form", "actors", "adapters", "api.schemas", "templatetags", "kpi_tiles"},
    {"accounts.backends", "accounts.sessions", "accounts.openid"},
    {"telling"},
    {"live", "jobs", "metrics", "sequencer", "accounts.adapters"},
    {"api", "admin"},
    {"views", "accounts.views"},
    {"analytics"},
    {"urls", "apps"},
    {"demo"},
    {"management", "migrations"},
]
ANALYTICS_READS = {"queries", "policy", "models", "permissions", "kpi_tiles", "analytics"}
WRITES = {
    "save",
    "create",
    "acreate",
    "bulk_create",
    "bulk_update",
    "get_or_create",
    "update_or_create",
    "delete",
    "adelete",
}
READS_BEFORE = {"objects", "filter", "exclude", "all", "select_for_update", "order_by", "annotate"}
# `update` and `delete` are also what sets and dictionaries are asked to do.
SQL_WRITE = re.compile(r"(?:^|\(|;)\s*(?:insert\s+into|update\s+\w+\s+set|delete\s+from|truncate)\s", re.I)
WRITERS = (
    "approvals/services/",
    "approvals/accounts/services/",
    "approvals/demo/",
    "approvals/management/commands/load_demo.py",
    "audit/log.py",
    "audit/sequencing.py",
    "notifications/services/",
    "postgresql/insertion.py",  # for whoever else stands here
)


def name_of(path: Path) -> str:
    return str(path.relative_to(ROOT))


def parsed(path: Path) -> ast.Module:
    return ast.parse(path.read_text("utf-8"), name_of(path))


def imports(path: Path) -> Iterator[tuple[int, str]]:
    """Yield the line and full name of everything a module imports, at any depth, relative ones resolved."""
    package = path.relative_to(ROOT).parts[:-1]
    for node in ast.walk(parsed(path)):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = ".".join(package[: len(package) - node.level + 1]) if node.level else ""
            module = ".".join(filter(None, [base, node.module]))
            yield from ((node.lineno, f"{module}.{alias.name}") for alias in node.names)


def layer_of(dotted: str) -> tuple[int, str] | None:
    """Return the layer and part of a module of `approvals`."""
    parts = dotted.split(".")[1:]
    for length in (2, 1):
        part = ".".join(parts[:length])
        for level, names in enumerate(LAYERS):
            if part in names:
                return level, part
    return None


def dotted_name(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def wrong_arrows(path: Path) -> list[str]:
    own = dotted_name(path)
    app = own.split(".")[0]
    wrong = []
    for line, imported in imports(path):
        other = imported.split(".")[0]
        if other not in APPS:
            continue
        if other != app:
            if other not in BELOW[app]:
                wrong.append(f"{name_of(path)}:{line} imports {imported}")
            continue
        here, there = layer_of(own), layer_of(imported)
        if app != "approvals" or own == "approvals":
            continue
        if here is None or there is None:
            wrong.append(f"{name_of(path)}:{line} is in no layer, or {imported} is in none")
            continue
        # `api.schemas` is a lower layer within the package of its own users.
        if there[0] > here[0]:
            wrong.append(f"{name_of(path)}:{line} imports {imported} from a layer above")
        if here[1] == "analytics" and there[1] not in ANALYTICS_READS:
            wrong.append(f"{name_of(path)}:{line}: analytics may not import {imported}")
        if there[1] == "analytics" and here[1] not in {"analytics", "urls"}:
            wrong.append(f"{name_of(path)}:{line}: nobody but urls imports analytics")
    return wrong


def test_imports_point_one_way():
    assert [arrow for path in PRODUCT if "migrations" not in path.parts for arrow in wrong_arrows(path)] == []


@pytest.mark.parametrize(
    ("module", "line"),
    [
        ("audit/log.py", "from approvals.models import Patch"),
        ("postgresql/row_reader.py", "from audit.models import Entry"),
        ("approvals/models/patch.py", "def late():\n    from approvals.services import intake"),
        ("approvals/queries/queue.py", "from ..services import reviews"),
        ("approvals/services/reviews.py", "import approvals.views.patch"),
        ("approvals/policy/rules.py", "from hitl import settings"),
        ("approvals/views/patch.py", "from approvals.analytics import queries"),
        ("approvals/analytics/queries.py", "from approvals.services import reviews"),
        ("approvals/accounts/services/identity.py", "from approvals.accounts import sessions"),
        ("approvals/services/reviews.py", "from approvals.accounts.views import confirm"),
        ("approvals/accounts/unheard.py", "from approvals.models import User"),
        ("approvals/unheard.py", "from approvals.models import Patch"),
    ],
)
def test_the_search_for_arrows_finds_them(tmp_path, monkeypatch, module, line):
    monkeypatch.setattr("tests.test_architecture.ROOT", tmp_path)
    path = tmp_path / module
    path.parent.mkdir(parents=True)
    path.write_text(line)
    assert wrong_arrows(path)
    path.write_text("from django.db import models\n")
    assert wrong_arrows(path) == []


def test_the_pure_parts_touch_no_database_request_or_clock():
    """Rules, quorum, severity, diff code: only the model's words and plain values."""
    forbidden = (
        "django.db",
        "django.http",
        "django.utils.timezone",
        "approvals.queries",
        "approvals.services",
        "audit",
        "time.time",
    )
    found = [
        f"{name_of(path)}:{line} imports {imported}"
        for part in ("policy", "diff")
        for path in sorted((ROOT / "approvals" / part).rglob("*.py"))
        for line, imported in imports(path)
        if imported.startswith(forbidden)
    ]
    assert found == []


def chain(node: ast.expr) -> set[str]:
    """Return the attribute names a call hangs on: {'objects', 'filter'} for `X.objects.filter(...).update(...)`."""
    names = set()
    while True:
        if isinstance(node, ast.Attribute):
            names.add(node.attr)
            node = node.value
        elif isinstance(node, ast.Call):
            node = node.func
        else:
            return names


def model_writes(path: Path) -> list[str]:
    found = []
    for node in ast.walk(parsed(path)):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and SQL_WRITE.search(node.value):
            found.append(f"{name_of(path)}:{node.lineno} SQL")
        if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute)):
            continue
        name, before = node.func.attr, chain(node.func.value)
        on_rows = bool(before & READS_BEFORE)
        of_columns = bool(node.keywords) and not node.args  # rows.update(status=…), unlike a dictionary's
        if (
            name in WRITES - {"delete", "create"}
            or (name in {"delete", "create"} and (on_rows or not node.args))
            or name in {"update", "aupdate"}
            and (on_rows or of_columns)
        ):
            found.append(f"{name_of(path)}:{node.lineno} .{name}(")
    return found


def test_only_services_write():
    elsewhere = [path for path in PRODUCT if not name_of(path).startswith(WRITERS) and "migrations" not in path.parts]
    assert [write for path in elsewhere for write in model_writes(path)] == []
    assert [name_of(path) for path in elsewhere if inserts(path)] == []


def inserts(path: Path) -> bool:
    return any(imported.startswith("postgresql.insertion") for _, imported in imports(path))


def test_the_search_for_writes_finds_them(tmp_path, monkeypatch):
    monkeypatch.setattr("tests.test_architecture.ROOT", tmp_path)
    module = tmp_path / "module.py"
    lines = [
        "Decision.objects.create(status='x')",
        "decision.save(update_fields=['status'])",
        "Decision.objects.filter(pk=1).update(status='x')",
        "rows.update(status='x')",
        "decision.delete()",
        "Decision.objects.all().delete()",
        "Text.objects.bulk_create(rows)",
        "cursor.execute('update approvals_decision set status = 1')",
        "cursor.execute('with x as (delete from approvals_text) select 1')",
    ]
    module.write_text("\n".join(lines))
    assert len(model_writes(module)) == len(lines)
    module.write_text("words = 'an update a day'\nseen.update(other)\nfound.update({'a': 1})\nset().union(x)\n")
    assert model_writes(module) == []


def test_there_are_no_signals():
    found = []
    for path in PRODUCT:
        for line, imported in imports(path):
            if imported.startswith(("django.dispatch", "django.db.models.signals", "django.core.signals")):
                found.append(f"{name_of(path)}:{line} imports {imported}")
        for node in ast.walk(parsed(path)):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "connect":
                owner = node.func.value
                if not (isinstance(owner, ast.Name) and owner.id == "psycopg"):
                    found.append(f"{name_of(path)}:{node.lineno} .connect(")
    assert found == []


def test_models_override_no_save_and_have_no_base_of_ours():
    found = []
    for app in ("approvals", "audit", "notifications"):
        if app not in {config.label for config in apps.get_app_configs()}:
            continue
        for model in apps.get_app_config(app).get_models():
            found += [f"{model.__name__}.{name}" for name in ("save", "delete") if name in vars(model)]
            found += [
                f"{model.__name__} inherits {base.__name__}"
                for base in model.__mro__[1:]
                if base.__module__.startswith(APPS)
            ]
    assert found == []


def test_no_foreign_key_leaves_the_audit_app():
    outside = [
        f"{model.__name__}.{field.name}"
        for model in apps.get_app_config("audit").get_models()
        for field in model._meta.get_fields()
        if field.is_relation and field.related_model and field.related_model._meta.app_label != "audit"
    ]
    assert outside == []


def test_no_foreign_key_points_into_the_audit_app():
    inside = [
        f"{model.__name__}.{field.name}"
        for model in apps.get_models()
        if model._meta.app_label != "audit"
        for field in model._meta.get_fields()
        if field.is_relation and field.related_model and field.related_model._meta.app_label == "audit"
    ]
    assert inside == []


@pytest.mark.parametrize("paths", [PRODUCT, TESTS], ids=["product", "tests"])
def test_no_module_is_above_400_lines(paths):
    counted = {name_of(path): path.read_text("utf-8").count("\n") for path in paths if "migrations" not in path.parts}
    assert {name: lines for name, lines in counted.items() if lines > 400} == {}


def test_modules_are_named_by_what_is_in_them():
    forbidden = {"utils", "util", "helpers", "helper", "common", "misc", "base", "signals", "managers"}
    named_by_django = "postgresql/base.py"  # where it looks for a database backend
    assert [name_of(path) for path in PRODUCT if path.stem in forbidden] == [named_by_django]


def test_every_module_says_what_is_in_it():
    silent = [
        name_of(path)
        for path in [*PRODUCT, *TESTS]
        if path.read_text("utf-8").strip() and not ast.get_docstring(parsed(path)) and "migrations" not in path.parts
    ]
    assert silent == []


INLINE = re.compile(r"""<style\b|\sstyle\s*=|\son[a-z]+\s*=\s*["']|javascript:|<script\b(?![^>]*\bsrc=)""", re.I)


MAILS = ROOT / "templates" / "notifications" / "mail.html"
"""What every mail is drawn in: a mail has no style sheet but its own. Only its preview is served, in a sandbox."""


def test_templates_hold_no_inline_style_or_script():
    found = [
        f"{name_of(path)}:{number}"
        for path in TEMPLATES
        if path != MAILS
        for number, line in enumerate(path.read_text("utf-8").splitlines(), start=1)
        if INLINE.search(line)
    ]
    assert TEMPLATES
    assert found == []


def test_fragments_extend_nothing():
    fragments = [path for path in TEMPLATES if path.name.startswith("_")]
    assert fragments
    assert [name_of(path) for path in fragments if "{% extends" in path.read_text("utf-8")] == []


def test_a_todo_names_its_issue():
    todo = re.compile(r"\b(TODO|FIXME|XXX)\b(?!.*#\d+)")
    found = [
        f"{name_of(path)}:{number}"
        for path in [*PRODUCT, *TESTS]
        if path != Path(__file__)
        for number, line in enumerate(path.read_text("utf-8").splitlines(), start=1)
        if todo.search(line)
    ]
    assert found == []


def test_a_permission_is_spelled_in_one_place_and_exists():
    """`audit` may not import it, so its views spell two of their own."""
    known = {
        f"{model._meta.app_label}.{codename}"
        for model in apps.get_models()
        for codename in [
            *(f"{action}_{model._meta.model_name}" for action in model._meta.default_permissions),
            *(codename for codename, _ in model._meta.permissions),
        ]
    }
    spelled = {
        (name_of(path), node.value)
        for path in PRODUCT
        if "migrations" not in path.parts
        for node in ast.walk(parsed(path))
        if isinstance(node, ast.Constant) and node.value in known
    }
    named = {
        value for value in vars(permissions).values() if isinstance(value, str) and re.fullmatch(r"\w+\.\w+_\w+", value)
    }
    assert named <= known
    assert {name for name, _ in spelled} == {"approvals/permissions.py", "audit/views.py"}
    assert {value for _, value in spelled} == named
