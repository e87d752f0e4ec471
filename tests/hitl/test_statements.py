"""The plan of every plain SQL statement: an index finds its rows, or it stands below which tables it reads whole."""

import importlib
import pkgutil
import re
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.db import connection
from django.utils import timezone

import approvals
import audit
import notifications
import postgresql
from approvals.models import Decision, User
from approvals.services.dispatch import dispatch
from approvals.services.reviews import comment
from notifications.services.notices import News, notify
from postgresql.row_reader import Joined
from tests.cast import actor_for

LARGE = {
    "approvals_comment",
    "approvals_decision",
    "approvals_feedentry",
    "approvals_patch",
    "approvals_patchview",
    "approvals_review",
    "approvals_text",
    "approvals_waiting",
    "audit_entry",
    "audit_leaf",
    "django_session",
    "notifications_item",
}
"""The tables that grow with use."""
READ_WHOLE: dict[str, set[str]] = {}
"""By statement, the large tables that it reads whole, because it counts all their rows."""


def statements() -> dict[str, str]:
    """Return the SQL of every statement by its module and name; one that others import stands once."""
    found: dict[str, str] = {}
    for package in (approvals, audit, notifications, postgresql):
        for module in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
            if "migrations" in module.name or "management" in module.name:
                continue
            for name, value in vars(importlib.import_module(module.name)).items():
                text = value.sql if isinstance(value, Joined) else value
                if name.endswith("_SQL") and text not in found.values():
                    found[f"{module.name}.{name}"] = text
    return found


def with_numbers(sql: str) -> str:
    """Return a statement with PostgreSQL's own numbered parameters."""
    names: list[str] = []

    def number(match: re.Match[str]) -> str:
        name = match[1] or f"position {len(names)}"
        if name not in names:
            names.append(name)
        return f"${names.index(name) + 1}"

    return re.sub(r"%(?:\((\w+)\))?s", number, sql)


@pytest.fixture
def large(
    make_patch: Callable[..., Decision], approve: Callable[..., Decision], sign_in: Callable[[User], Any], alice: User
) -> None:
    """Put a row into each of the tables that grow and let PostgreSQL take it for a million."""
    client = sign_in(alice)
    decision = approve(make_patch(), alice)
    comment(decision.decision_id, "Look here.", user=alice, actor=actor_for(alice), now=timezone.now())
    pending = make_patch(severity="critical")
    client.get(f"/patches/{pending.decision_id}")
    notify(News("stand_in", "x", "x"), {alice.pk: "x"}, now=timezone.now())
    dispatch()
    with connection.cursor() as cursor:
        cursor.execute(
            "select relname, pg_restore_relation_stats('schemaname', 'public', 'relname', relname::text,"
            " 'relpages', pg_relation_size(oid)::int / 8192, 'reltuples', 1000000::real)"
            " from pg_class where relname = any(%s) and pg_relation_size(oid) > 0",
            [sorted(LARGE)],
        )
        assert {name for name, _ in cursor.fetchall()} == LARGE
        cursor.execute("set local cpu_tuple_cost = 0.06")  # a row, and its part of the page that it would stand on


def scans(step: dict[str, Any], parent: str = "") -> Iterator[dict[str, Any]]:
    """Yield the steps that read a table or an index; not those that stop at the first row, as for a maximum."""
    if step["Node Type"] in {"Seq Scan", "Index Scan", "Index Only Scan"} and parent != "Limit":
        yield step
    for part in step.get("Plans", ()):
        yield from scans(part, step["Node Type"])


def read_whole(sql: str) -> set[str]:
    """Return the large tables that a statement reads without a condition on an index, whatever its parameters."""
    with connection.cursor() as cursor:
        cursor.execute(f"explain (generic_plan, format json) {with_numbers(sql)}")
        [([plan],)] = cursor.fetchall()
    found = [step for step in scans(plan["Plan"]) if "Index Cond" not in step]
    return LARGE & {step.get("Relation Name") for step in found}


@pytest.mark.django_db
def test_an_index_finds_the_rows_of_every_statement(large: None) -> None:
    found = {name: tables for name, sql in statements().items() if (tables := read_whole(sql))}
    assert found == READ_WHOLE


@pytest.mark.django_db
def test_the_search_for_whole_tables_finds_them(large: None) -> None:
    assert read_whole("select title from approvals_patch where title = %s") == {"approvals_patch"}
    assert read_whole("select title from approvals_patch order by id") == {"approvals_patch"}
    assert read_whole("select max(id) from approvals_patch") == set()
    assert read_whole("select title from approvals_patch where id = %(id)s or id = %(id)s + 1") == set()
