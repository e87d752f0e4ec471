"""Append-only in the database: entries, leaves and the outbox trigger. See `tests/audit/test_append_only.py`."""

from django.db import migrations

# ENABLE ALWAYS: `set session_replication_role = replica` skips ordinary triggers and any session may set it.
FORWARD = """
create function audit_refuse_change() returns trigger language plpgsql as $$
begin
    raise exception '% is append-only: % refused', tg_table_name, lower(tg_op) using errcode = '42501';
end $$;

create trigger audit_entry_no_change before update or delete on audit_entry
    for each row execute function audit_refuse_change();
create trigger audit_entry_no_truncate before truncate on audit_entry
    for each statement execute function audit_refuse_change();
create trigger audit_leaf_no_change before update or delete on audit_leaf
    for each row execute function audit_refuse_change();
create trigger audit_leaf_no_truncate before truncate on audit_leaf
    for each statement execute function audit_refuse_change();
alter table audit_entry enable always trigger audit_entry_no_change;
alter table audit_entry enable always trigger audit_entry_no_truncate;
alter table audit_leaf enable always trigger audit_leaf_no_change;
alter table audit_leaf enable always trigger audit_leaf_no_truncate;

create function audit_queue_entry() returns trigger language plpgsql as $$
begin
    insert into audit_pending (entry_id) values (new.id);
    return null;
end $$;
create trigger audit_entry_queue after insert on audit_entry
    for each row execute function audit_queue_entry();
alter table audit_entry enable always trigger audit_entry_queue;

-- Erasure empties columns; it never removes the row, and nothing may be written into it later.
create function audit_context_erase_only() returns trigger language plpgsql as $$
begin
    if tg_op = 'DELETE' or new.entry_id <> old.entry_id
        or new.actor_label not in (old.actor_label, '') or new.object_label not in (old.object_label, '')
        or (new.ip_address is not null and new.ip_address is distinct from old.ip_address)
        or new.user_agent not in (old.user_agent, '')
    then
        raise exception 'audit_context can only be erased' using errcode = '42501';
    end if;
    return new;
end $$;
create trigger audit_context_erase before update or delete on audit_context
    for each row execute function audit_context_erase_only();
alter table audit_context enable always trigger audit_context_erase;
"""

BACKWARD = """
drop trigger audit_context_erase on audit_context;
drop function audit_context_erase_only();
drop trigger audit_entry_queue on audit_entry;
drop function audit_queue_entry();
drop trigger audit_leaf_no_truncate on audit_leaf;
drop trigger audit_leaf_no_change on audit_leaf;
drop trigger audit_entry_no_truncate on audit_entry;
drop trigger audit_entry_no_change on audit_entry;
drop function audit_refuse_change();
"""


class Migration(migrations.Migration):
    dependencies = [("audit", "0001_initial")]
    operations = [migrations.RunSQL(FORWARD, BACKWARD)]
