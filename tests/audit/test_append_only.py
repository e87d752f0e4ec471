"""The database refuses to change the log, whoever asks and whatever role the session plays."""

import psycopg
import pytest
from django.db import DatabaseError, connection, transaction

from approvals.services.dispatch import dispatch
from audit.models import Context, Entry, Leaf

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def an_entry(make_patch):
    make_patch()
    dispatch()
    assert Leaf.objects.exists()


@pytest.fixture(params=["origin", "replica"])
def role(request) -> None:
    """Play the role in which ordinary triggers do not fire."""
    with connection.cursor() as cursor:
        cursor.execute(f"set local session_replication_role = {request.param}")


def sqlstate(sql: str) -> str:
    with pytest.raises(DatabaseError) as error, transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(sql)
    cause = error.value.__cause__
    assert isinstance(cause, psycopg.Error)
    return cause.sqlstate or ""


@pytest.mark.parametrize("table", ["audit_entry", "audit_leaf"])
def test_no_row_is_updated_or_deleted(role, table):
    with connection.cursor() as cursor:
        cursor.execute(
            "select column_name from information_schema.columns where table_name = %s and is_generated = 'NEVER'",
            [table],
        )
        columns = [name for (name,) in cursor.fetchall()]
    for column in columns:
        assert sqlstate(f'update {table} set "{column}" = "{column}"') == "42501", column
    assert sqlstate(f"delete from {table}") == "42501"


@pytest.mark.parametrize("table", ["audit_entry", "audit_leaf", "audit_context"])
def test_truncate_is_refused_too(role, table):
    """The test database has this one trigger off for its own flush; here it is on, as everywhere else."""
    with connection.cursor() as cursor:
        cursor.execute("set local session_replication_role = origin")
        cursor.execute("set constraints all immediate")
        cursor.execute(f"alter table {table} enable always trigger {table}_no_truncate")
    assert sqlstate(f"truncate {table} cascade") == "42501"


def test_the_hash_cannot_be_written():
    assert sqlstate("update audit_entry set leaf_hash = 'x'")
    columns = "uuid, type, at, actor_id, actor_kind, object_type, object_id, body, leaf_hash"
    assert sqlstate(
        f"insert into audit_entry ({columns}) select gen_random_uuid(), type, at, actor_id, actor_kind, object_type,"
        " object_id, body, leaf_hash from audit_entry limit 1"
    )


def test_an_entry_cannot_take_a_place_in_a_chain_twice():
    columns = "type, at, actor_id, actor_kind, object_type, object_id, object_n, body"
    assert (
        sqlstate(
            f"insert into audit_entry (uuid, {columns}) select gen_random_uuid(), {columns} from audit_entry"
            " where object_n is not null"
        )
        == "23505"
    )


def test_the_side_table_can_be_erased_and_nothing_else(role):
    for change in (
        "actor_label = 'mallory'",
        "object_label = 'other'",
        "ip_address = '10.0.0.1'",
        "user_agent = 'other'",
        "aside = '{}'",
        "salt = 'pepper'",
        "entry_id = entry_id + 1000",
    ):
        assert sqlstate(f"update audit_context set {change}") == "42501", change
    assert sqlstate("delete from audit_context") == "42501"
    with connection.cursor() as cursor:
        cursor.execute(
            "update audit_context set actor_label = '', object_label = '', ip_address = null, user_agent = '',"
            " aside = '', salt = ''"
        )
    assert set(Context.objects.values_list("actor_label", flat=True)) == {""}
    assert sqlstate("update audit_context set actor_label = 'back'") == "42501"


def test_an_entry_outlives_what_it_describes():
    """No foreign key leaves the audit app."""
    with connection.cursor() as cursor:
        cursor.execute(
            "select conrelid::regclass::text, confrelid::regclass::text from pg_constraint"
            " where contype = 'f' and conrelid::regclass::text like 'audit\\_%'"
        )
        targets = {target for _, target in cursor.fetchall()}
    assert targets == {"audit_entry"}


def test_erasing_the_side_table_leaves_the_hashed_body_as_it_was():
    before = list(Entry.objects.order_by("id").values_list("body", "leaf_hash"))
    with connection.cursor() as cursor:
        cursor.execute("update audit_context set actor_label = '', user_agent = ''")
    assert list(Entry.objects.order_by("id").values_list("body", "leaf_hash")) == before
