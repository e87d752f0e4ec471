"""Each migration leaves what the last release reads and writes, so that old and new processes run side by side."""

import inspect
import re
from collections.abc import Iterator
from typing import Any

import pytest
from django.contrib.postgres.operations import AddIndexConcurrently
from django.db import connection, migrations, models
from django.db.migrations.loader import MigrationLoader
from django.db.migrations.operations.base import Operation
from django.db.migrations.state import ModelState, ProjectState

LAST_RELEASE = {"approvals": "0047_moments", "audit": "0007_search"}
"""The newest migrations of the last release. Whoever releases moves them here on (docs/upgrading.md)."""

CONTRACTS: dict[tuple[str, str], str] = {
    ("approvals", "0056_chat"): "the constraint takes the place of one that lets less through",
}
"""A migration after those that takes something away, and why nothing of the last release reads it any more: the release
that stopped to, and where. It is the second half of two releases."""

# What plain SQL does to what a release reads or writes. Dropping an index, a trigger, a constraint or `not null` lets
# more through, and is none of these.
SQL_NARROWS = {
    "renames": r"\brename\b",
    "drops a column": r"\balter table\b[^;]*\bdrop (?!constraint|not|trigger|default)(column )?",
    "drops a default": r"\bdrop default\b",
    "changes a type": r"\balter (column )?\S+ (set data )?type\b",
    "refuses null": r"\bset not null\b",
    "adds a constraint": r"\badd (constraint|check|unique|primary|foreign|exclude)\b",
    "adds a column that must be filled": r"\badd (column )?(?!constraint|check|unique|primary|foreign|exclude)"
    r"(?=[^,;]*\bnot null\b)(?![^,;]*\b(default|generated)\b)",
}
SQL_DROPS = re.compile(r"\bdrop (table|view|function|procedure|type|sequence|schema) (?:if exists )?([\w.\"]+)")
SQL_CREATES = re.compile(r"\bcreate (?:or replace )?(table|view|function|procedure|type|sequence|schema) ([\w.\"]+)")
WIDER = {("smallint", "integer"), ("smallint", "bigint"), ("integer", "bigint")}


def narrows(operation: Operation, app: str, before: ProjectState, release: ProjectState) -> Iterator[str]:
    """Yield what an operation takes from the last release; what that release does not have may change freely."""
    if isinstance(operation, migrations.SeparateDatabaseAndState):
        for part in operation.database_operations:
            yield from narrows(part, app, before, release)
    elif isinstance(operation, migrations.RunSQL):
        yield from narrows_sql(text_of(operation.sql))
    elif isinstance(operation, migrations.RunPython):
        yield from narrows_sql(inspect.getsource(operation.code))
    elif isinstance(operation, migrations.RenameModel):
        if (app, operation.old_name_lower) in release.models:
            yield f"renames {operation.old_name}"
    elif isinstance(operation, migrations.operations.models.ModelOperation):
        if (app, operation.name_lower) in release.models:
            yield from narrows_model(operation)
    elif isinstance(operation, migrations.operations.models.IndexOperation):
        if isinstance(operation, migrations.AddConstraint) and (app, operation.model_name_lower) in release.models:
            yield f"adds a constraint to {operation.model_name}"
    elif isinstance(operation, migrations.operations.fields.FieldOperation) and (
        model := release.models.get((app, operation.model_name_lower))
    ):
        yield from narrows_field(operation, model, before, app)


def narrows_model(operation: Operation) -> Iterator[str]:
    if isinstance(operation, migrations.DeleteModel):
        yield f"drops {operation.name}"
    elif isinstance(operation, migrations.AlterModelTable):
        yield f"renames the table of {operation.name}"
    elif isinstance(operation, migrations.AlterUniqueTogether) and operation.option_value:
        yield f"adds a constraint to {operation.name}"


def narrows_field(operation: Any, model: ModelState, before: ProjectState, app: str) -> Iterator[str]:
    name = f"{operation.model_name}.{operation.name if hasattr(operation, 'name') else operation.old_name}"
    known = operation.name_lower in {field.lower() for field in model.fields}
    if isinstance(operation, migrations.AddField):
        column = operation.field
        if column.many_to_many or isinstance(column, models.GeneratedField) or column.null or column.has_db_default():
            return
        yield f"adds {name}, which the last release does not fill: null=True, or db_default="
    elif not known:
        return
    elif isinstance(operation, migrations.RemoveField):
        yield f"drops {name}"
    elif isinstance(operation, migrations.RenameField):
        yield f"renames {name}"
    elif isinstance(operation, migrations.AlterField):
        there = before.apps.get_model(app, operation.model_name)._meta.get_field(operation.name)
        after = before.clone()
        operation.state_forwards(app, after)
        becomes = after.apps.get_model(app, operation.model_name)._meta.get_field(operation.name)
        yield from (f"{what} of {name}" for what in field_narrows(there, becomes))


def field_narrows(there: Any, becomes: Any) -> Iterator[str]:
    if there.null and not becomes.null:
        yield "refuses null"
    if becomes.unique and not there.unique:
        yield "refuses duplicates"
    if there.column != becomes.column:
        yield "renames the column"
    if there.has_db_default() and not becomes.has_db_default():
        yield "drops the default"
    old, new = there.db_type(connection), becomes.db_type(connection)
    if old != new and (old, new) not in WIDER and not longer(str(old), str(new)):
        yield f"changes the type from {old} to {new}"


def longer(old: str, new: str) -> bool:
    """Return whether a text may have more characters than before and is a text still."""
    lengths = [re.fullmatch(r"varchar\((\d+)\)", text) for text in (old, new)]
    return bool(lengths[0] and (new == "text" or (lengths[1] and int(lengths[1][1]) > int(lengths[0][1]))))


def narrows_sql(text: str) -> Iterator[str]:
    """Yield what plain SQL takes away; what it drops and makes again is there when the migration is done."""
    plain = re.sub(r"\s+", " ", re.sub(r"--[^\n]*|#[^\n]*", "", text)).lower()
    made = set(SQL_CREATES.findall(plain))
    yield from (f"drops {kind} {name}" for kind, name in SQL_DROPS.findall(plain) if (kind, name) not in made)
    yield from (what for what, pattern in SQL_NARROWS.items() if re.search(pattern, plain))


def text_of(sql: Any) -> str:
    if isinstance(sql, str):
        return sql
    return ";\n".join(part if isinstance(part, str) else part[0] for part in sql)


def found(loader: MigrationLoader) -> dict[tuple[str, str], list[str]]:
    """Return the migrations after the last release that take something from it, with what they take."""
    last = list(LAST_RELEASE.items())
    known = {key for node in last for key in loader.graph.forwards_plan(node)}
    release = loader.project_state(last)
    wrong = {}
    for app, name in loader.graph.leaf_nodes():
        for key in loader.graph.forwards_plan((app, name)):
            if key in known or key[0] not in LAST_RELEASE:
                continue
            known.add(key)
            state = loader.project_state(key, at_end=False)
            taken: list[str] = []
            for operation in loader.get_migration(*key).operations:
                taken += narrows(operation, key[0], state, release)
                operation.state_forwards(key[0], state)
            if taken:
                wrong[key] = taken
    return wrong


def test_no_migration_takes_away_what_the_last_release_reads() -> None:
    wrong = found(MigrationLoader(None))
    unexplained = {key: taken for key, taken in wrong.items() if key not in CONTRACTS}
    assert unexplained == {}, "expand in this release, contract in the next: docs/upgrading.md"
    assert CONTRACTS.keys() <= wrong.keys(), "explained, but takes nothing away"


# --- The search finds what it looks for -------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def release() -> ProjectState:
    loader = MigrationLoader(None)
    return loader.project_state(list(LAST_RELEASE.items()))


def taken(operation: Operation, release: ProjectState, app: str = "approvals") -> list[str]:
    return list(narrows(operation, app, release.clone(), release))


@pytest.mark.parametrize(
    "operation",
    [
        migrations.RemoveField("decision", "category"),
        migrations.RenameField("decision", "category", "kind"),
        migrations.DeleteModel("Heartbeat"),
        migrations.RenameModel("Heartbeat", "Beat"),
        migrations.AlterModelTable("heartbeat", "beats"),
        migrations.AddField("decision", "weight", models.IntegerField(default=1)),
        migrations.AddConstraint("decision", models.CheckConstraint(condition=models.Q(approvals__lt=9), name="few")),
        migrations.AlterUniqueTogether("decision", {("status", "cause")}),
        migrations.AlterField("decision", "alias", models.CharField(max_length=200)),
        migrations.AlterField("decision", "cause", models.CharField(max_length=100)),
        migrations.AlterField("decision", "cause", models.CharField(max_length=255, unique=True)),
        migrations.AlterField("decision", "cause", models.CharField(max_length=255, db_column="why")),
        migrations.AlterField("decision", "confidence", models.DecimalField(max_digits=5, decimal_places=4)),
        migrations.SeparateDatabaseAndState(database_operations=[migrations.RemoveField("decision", "category")]),
        migrations.RunSQL("drop view approvals_absent"),
        migrations.RunSQL("drop function if exists audit_words(text)"),
        migrations.RunSQL("DROP TABLE approvals_waiting;"),
        migrations.RunSQL("alter table approvals_decision drop category"),
        migrations.RunSQL("alter table approvals_decision\n    drop column category, add column kind text"),
        migrations.RunSQL("alter table approvals_decision rename category to kind"),
        migrations.RunSQL("alter table approvals_decision alter column cause type varchar(100)"),
        migrations.RunSQL("alter table approvals_decision alter cause set data type text"),
        migrations.RunSQL([("alter table approvals_decision alter alias set not null", None)]),
        migrations.RunSQL("alter table approvals_decision alter alias drop default"),
        migrations.RunSQL("alter table approvals_decision add constraint few check (approvals < 9)"),
        migrations.RunSQL("alter table approvals_decision add column weight int not null"),
    ],
    ids=lambda operation: f"{type(operation).__name__} {getattr(operation, 'sql', '')}"[:70],
)
def test_what_the_last_release_would_miss_is_found(operation, release) -> None:
    assert len(taken(operation, release)) == 1


def drop_a_column(apps: Any, editor: Any) -> None:
    editor.execute("alter table approvals_decision drop column category")


def test_it_is_found_in_a_function_too(release) -> None:
    assert taken(migrations.RunPython(drop_a_column), release) == ["drops a column"]


@pytest.mark.parametrize(
    "operation",
    [
        migrations.CreateModel("New", [("id", models.BigAutoField(primary_key=True))]),
        migrations.DeleteModel("Unheard"),
        migrations.RemoveField("decision", "unheard"),
        migrations.AddField("unheard", "weight", models.IntegerField()),
        migrations.AddField("decision", "weight", models.IntegerField(null=True)),
        migrations.AddField("decision", "weight", models.IntegerField(db_default=1)),
        migrations.AddField("decision", "people", models.ManyToManyField("approvals.User")),
        migrations.AlterField("decision", "cause", models.CharField(max_length=300)),
        migrations.AlterField("decision", "cause", models.TextField()),
        migrations.AlterField("decision", "approvals", models.PositiveIntegerField(default=0)),
        migrations.AlterField("decision", "cause", models.CharField(max_length=255, null=True)),
        migrations.RemoveConstraint("decision", "unheard"),
        AddIndexConcurrently("decision", models.Index(fields=["cause"], name="by_cause")),
        migrations.SeparateDatabaseAndState(state_operations=[migrations.RemoveField("decision", "category")]),
        migrations.RunSQL("create or replace function audit_words(label text) returns tsvector as $$ $$"),
        migrations.RunSQL("drop trigger x on approvals_decision; create trigger x before update on approvals_decision"),
        migrations.RunSQL("drop view approvals_absent; create view approvals_absent as select 1 -- drop table x"),
        migrations.RunSQL("alter table approvals_decision drop constraint few, alter alias drop not null"),
        migrations.RunSQL("alter table approvals_decision add column weight int not null default 1"),
        migrations.RunSQL("drop index concurrently by_cause"),
    ],
    ids=lambda operation: f"{type(operation).__name__} {getattr(operation, 'sql', '')}"[:70],
)
def test_what_only_adds_is_let_through(operation, release) -> None:
    assert taken(operation, release) == []


def test_the_walk_reaches_every_migration_after_a_release(monkeypatch) -> None:
    """As if that release had been older: these took something away while nobody ran two of them side by side."""
    monkeypatch.setitem(LAST_RELEASE, "approvals", "0001_initial")
    monkeypatch.setitem(LAST_RELEASE, "audit", "0001_initial")
    wrong = found(MigrationLoader(None))
    assert wrong["approvals", "0042_views_and_queue_rows"] == ["drops a column"]
    assert [taken[:23] for taken in wrong["approvals", "0030_owners"]] == [
        "adds user.former_names,",
        "adds user.held_for, whi",
        "adds a constraint to us",
    ]
    assert ("audit", "0004_context_aside") in wrong
