"""What `manage.py check --deploy` asks the database: the rights of the role of web and worker, and its triggers."""

from collections.abc import Iterator
from typing import Any

import pytest
from django.conf import settings
from django.core.checks.registry import registry
from django.db import OperationalError, connection

from hitl import checks
from hitl.checks import database_role, database_triggers
from postgresql import rights
from tests.plain_sql import as_the_role, connect_as

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def as_role(db: Any, transactional_db: None) -> Iterator[None]:
    """Connect as the role of web and worker, as a deployed product does; the flush afterwards is the owner's."""
    with as_the_role():
        yield


def test_check_warns_of_an_owner() -> None:
    for check in (database_role, database_triggers):
        assert check in registry.get_checks(include_deployment_checks=True)
        assert check not in registry.get_checks()
    connect_as(settings.DATABASE_OWNER["USER"])
    [warning] = database_role()
    assert warning.id == "hitl.W001"
    assert "superuser or owner" in warning.msg


def test_check_warns_of_rights_that_were_given_by_hand() -> None:
    connect_as(settings.DATABASE_OWNER["USER"])
    with connection.cursor() as cursor:
        cursor.execute(f"grant update, truncate on audit_entry to {settings.DATABASE_ROLE}")
    connect_as(settings.DATABASE_ROLE)
    assert {warning.msg for warning in database_role()} == {
        "The role of web and worker may use update on audit_entry.",
        "The role of web and worker may use truncate on audit_entry.",
    }
    connect_as(settings.DATABASE_OWNER["USER"])
    rights.grant(settings.DATABASE_ROLE)  # as the next `manage.py migrate`
    connect_as(settings.DATABASE_ROLE)
    assert database_role() == []


@pytest.mark.parametrize(
    ("given", "taken", "said"),
    [
        ("grant update (body) on audit_entry to {}", "", "may use update on audit_entry"),
        ("alter role {} createrole", "alter role {} nocreaterole", "may use the attribute createrole"),
        ("alter role {} replication", "alter role {} noreplication", "may use the attribute replication"),
        ("grant pg_read_server_files to {}", "revoke pg_read_server_files from {}", "may use the role pg_read_server"),
        (
            "grant set on parameter session_replication_role to {}",
            "revoke set on parameter session_replication_role from {}",
            "may use the parameter session_replication_role",
        ),
    ],
)
def test_check_warns_of_what_lets_somebody_past_the_triggers(given: str, taken: str, said: str) -> None:
    try:
        _as_owner(given.format(settings.DATABASE_ROLE))
        [warning] = database_role()
        assert said in warning.msg
        assert warning.hint
    finally:
        _as_owner(taken.format(settings.DATABASE_ROLE))
    assert database_role() == []


def test_check_warns_of_a_trigger_that_somebody_switched_off() -> None:
    before = database_triggers()  # of these tests, which truncate
    _as_owner("alter table audit_entry disable trigger audit_entry_no_change")
    try:
        [warning] = [one for one in database_triggers() if one not in before]
        assert (warning.id, warning.hint) == ("hitl.W019", checks.SWITCHED_ON)
        assert warning.msg == "The trigger audit_entry_no_change of audit_entry is switched off."
    finally:
        _as_owner("alter table audit_entry enable trigger audit_entry_no_change")
    assert database_triggers() == before


def _as_owner(statement: str) -> None:
    """Run a statement as the owner; an empty one gives the role what `manage.py migrate` gives it."""
    connect_as(settings.DATABASE_OWNER["USER"])
    if statement:
        with connection.cursor() as cursor:
            cursor.execute(statement)
    else:
        rights.grant(settings.DATABASE_ROLE)
    connect_as(settings.DATABASE_ROLE)


def test_a_database_that_does_not_answer_is_no_clean_result(monkeypatch: pytest.MonkeyPatch) -> None:
    def away() -> list[str]:
        raise OperationalError

    monkeypatch.setattr(checks, "exceeding", away)
    [warning] = database_role()
    assert (warning.id, warning.hint) == ("hitl.W002", checks.REACHED)
