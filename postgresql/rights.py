"""What the role of web and worker may do in each table and view, and the owner that migrates. One dictionary, so that a
right is a line here: `manage.py migrate` grants exactly these."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from django.conf import settings
from django.db import connection
from psycopg import sql

ALL = "select, insert, update, delete"
KEEP = "select, insert, update"  # rows stay
APPEND = "select, insert"
READ = "select"

RIGHTS = {
    # The log. Of the outbox the sequencer takes what it places; `for update` asks for a right to update, which a
    # trigger refuses.
    "audit_entry": APPEND,
    "audit_context": APPEND,
    "audit_leaf": APPEND,
    "audit_pending": "select, delete, update (entry_id)",
    # What never changes once it is there.
    "approvals_acknowledgement": APPEND,
    "approvals_bypassreview": APPEND,
    "approvals_comment": APPEND,
    "approvals_difffetch": APPEND,
    "approvals_feedentry": APPEND,
    "approvals_gate": APPEND,
    "approvals_importeddecision": APPEND,
    "approvals_outcomereport": APPEND,
    "approvals_patchcontent": APPEND,
    "approvals_patchview": APPEND,
    "approvals_policyversion": APPEND,
    "approvals_raisedalarm": APPEND,
    "approvals_revocation": APPEND,
    "approvals_text": APPEND,
    # What changes in one way only.
    "approvals_apitoken": f"{APPEND}, update (revoked_at, last_used_at)",
    "approvals_bypass": f"{APPEND}, update (state, decided_by_id, decided_at, ends_at, ended_by_id, ended_at)",
    "approvals_delegation": f"{APPEND}, update (ended_at)",
    "approvals_deploymentrequest": f"{APPEND}, update (state, tries, try_at, give_up_at, answer, answered_at, fault)",
    "approvals_killswitch": "select, update (stopped, changed_by, changed_at, reason_id)",
    "approvals_proposal": f"{APPEND}, update (state, decided_by_id, decided_at)",
    "approvals_review": f"{APPEND}, update (withdrawn_at)",
    # What triggers look after, and what no guard depends on.
    "approvals_decision": KEEP,
    "approvals_deployercursor": KEEP,
    "approvals_heartbeat": KEEP,
    "approvals_keyfigures": KEEP,
    "approvals_knownexploited": KEEP,
    "approvals_patch": KEEP,
    "approvals_policy": KEEP,
    "approvals_producer": KEEP,
    "approvals_user": KEEP,
    "auth_group": KEEP,
    # Written by triggers and functions that run as the owner.
    "approvals_tally": READ,
    "approvals_tallychange": READ,
    "approvals_voice": READ,
    "approvals_waiting": READ,
    # Written by migrations.
    "auth_permission": READ,
    "django_content_type": READ,
    "django_migrations": READ,
    # What comes and goes.
    "account_emailaddress": ALL,
    "account_emailconfirmation": ALL,
    "approvals_attempt": ALL,
    "approvals_cache": ALL,
    "approvals_keptanswer": ALL,
    "approvals_lockout": ALL,
    "approvals_presence": ALL,
    "approvals_savedview": ALL,
    "approvals_user_groups": ALL,
    "approvals_user_user_permissions": ALL,
    "approvals_viewedfile": ALL,
    "auth_group_permissions": ALL,
    "django_admin_log": APPEND,
    "django_session": ALL,
    "mfa_authenticator": ALL,
    "notifications_cursor": KEEP,
    "notifications_delivery": ALL,
    "notifications_endpoint": KEEP,
    "notifications_hourlycount": ALL,
    "notifications_hours": ALL,
    "notifications_item": ALL,
    "notifications_notice": ALL,
    "notifications_preference": ALL,
    "procrastinate_events": ALL,
    "procrastinate_jobs": ALL,
    "procrastinate_periodic_defers": ALL,
    "procrastinate_workers": ALL,
    "socialaccount_socialaccount": ALL,
    "socialaccount_socialapp": READ,
    "socialaccount_socialtoken": ALL,
    "usersessions_usersession": ALL,
}
VIEWS = ("approvals_absent", "approvals_counted", "approvals_membership", "approvals_objection")
"""Read with the reader's own rights (`security_invoker`)."""
CONNECTING = ("USER", "PASSWORD", "HOST", "PORT", "OPTIONS", "LIMITS")
TABLES = """
select tablename from pg_tables where schemaname = 'public' union all
select viewname from pg_views where schemaname = 'public'
"""
IS_OWNER = """
select rolsuper or pg_has_role(current_user, (
    select tableowner from pg_tables where schemaname = 'public' and tablename = 'audit_entry'
), 'member')
from pg_roles where rolname = current_user
"""
TOO_MUCH = """
select format('%s on %s', lower(wanted), tablename) from pg_tables,
    unnest(array['UPDATE', 'DELETE', 'TRUNCATE', 'TRIGGER', 'REFERENCES']) wanted
where schemaname = 'public' and tablename in ('audit_entry', 'audit_leaf', 'audit_context')
    and case when wanted in ('UPDATE', 'REFERENCES') then has_any_column_privilege(format('%I', tablename), wanted)
        else has_table_privilege(format('%I', tablename), wanted) end
union all
select 'create in the schema public' where has_schema_privilege('public', 'create')
union all
select format('the role %s', rolname) from pg_roles
where rolname in ('pg_execute_server_program', 'pg_read_server_files', 'pg_write_server_files', 'pg_write_all_data')
    and pg_has_role(current_user, rolname, 'member')
union all
select format('the attribute %s', attribute)
from pg_roles, lateral (values ('createrole', rolcreaterole), ('replication', rolreplication)) has (attribute, given)
where rolname = current_user and given
union all
select 'the parameter session_replication_role, which silences triggers'
where has_parameter_privilege('session_replication_role', 'SET')
"""
SILENCED_TRIGGERS_SQL = """
select format('%s of %s', tgname, tgrelid::regclass)
from pg_trigger join pg_class on pg_class.oid = tgrelid
where relnamespace = 'public'::regnamespace and not tgisinternal and tgenabled not in ('O', 'A')
order by 1
"""


@contextmanager
def as_owner() -> Iterator[None]:
    """Connect as the owner in here: as DATABASE_MIGRATE_URL says, or as the embedded server's own user."""
    own, owner = connection.settings_dict, settings.DATABASE_OWNER
    if all(own[name] == owner[name] for name in ("USER", "HOST", "PORT")):
        yield
        return
    kept = {name: own[name] for name in CONNECTING}
    _connect(owner)
    try:
        yield
    finally:
        _connect(kept)


def _connect(entry: dict[str, Any]) -> None:
    connection.close()
    connection.close_pool()  # type: ignore[attr-defined]  # of Django's PostgreSQL backend
    connection.settings_dict.update({name: entry[name] for name in CONNECTING})


def grant(role: str) -> None:
    """Give the role of web and worker what stands above and nothing else, however its rights were; as the owner."""
    name = sql.Identifier(role)
    with connection.cursor() as cursor:
        cursor.execute(TABLES)
        there = {table for (table,) in cursor.fetchall()}
        cursor.execute("select current_database()")
        [(database,)] = cursor.fetchall()
        for statement in (
            "revoke create, temporary on database {database} from public",
            "grant connect on database {database} to {role}",
            "revoke create on schema public from public",
            "revoke all on schema public from {role}",
            "grant usage on schema public to {role}",
            "revoke all on all tables in schema public from {role}",
            "grant usage, select on all sequences in schema public to {role}",
        ):
            cursor.execute(sql.SQL(statement).format(role=name, database=sql.Identifier(database)))
        for table, rights in (RIGHTS | dict.fromkeys(VIEWS, READ)).items():
            if table in there:
                cursor.execute(sql.SQL("grant {} on {} to {}").format(sql.SQL(rights), sql.Identifier(table), name))


def owns() -> bool:
    """Return whether this connection may change the tables, or there are none yet."""
    with connection.cursor() as cursor:
        cursor.execute(IS_OWNER)
        [(owner,)] = cursor.fetchall()
    return owner is not False


def exceeding() -> list[str]:
    """Return what this connection may do beyond what the product needs, in words; [] where it is as it should be."""
    if owns():
        return ["is superuser or owner of the tables"]
    with connection.cursor() as cursor:
        cursor.execute(TOO_MUCH)
        return [f"may use {what}" for (what,) in cursor.fetchall()]


def silenced_triggers() -> list[str]:
    """Return the triggers, with their tables, that somebody has switched off."""
    with connection.cursor() as cursor:
        cursor.execute(SILENCED_TRIGGERS_SQL)
        return [name for (name,) in cursor.fetchall()]
