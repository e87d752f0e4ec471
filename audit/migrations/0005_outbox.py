"""The outbox of the log: an entry gets into it by its own insert and leaves it for a place in the log, and places follow
each other; whoever may run the sequencer can neither lose an entry nor stop it with one that is not there."""

from django.db import migrations

FORWARD = """
alter function audit_queue_entry() security definer set search_path = public, pg_temp;

create trigger audit_pending_no_change before update on audit_pending
    for each row execute function audit_refuse_change();
alter table audit_pending enable always trigger audit_pending_no_change;

create function audit_pending_placed() returns trigger language plpgsql as $$
begin
    if exists (select from gone where not exists (select from audit_leaf leaf where leaf.entry_id = gone.entry_id)) then
        raise exception 'an entry leaves the outbox for its place in the log' using errcode = '42501';
    end if;
    return null;
end $$;
create trigger audit_pending_placed after delete on audit_pending
    referencing old table as gone for each statement execute function audit_pending_placed();
alter table audit_pending enable always trigger audit_pending_placed;

create function audit_leaf_follows() returns trigger language plpgsql as $$
declare
    first bigint; last bigint; placed_now bigint; before bigint;
begin
    select min(seq), max(seq), count(*) into first, last, placed_now from placed;
    if placed_now = 0 then
        return null;
    end if;
    select coalesce(max(seq), -1) into before from audit_leaf where seq < first;
    if first <> before + 1 or last - first + 1 <> placed_now
        or exists (select from placed join audit_pending pending on pending.entry_id = placed.entry_id)
    then
        raise exception 'places in the log follow each other' using errcode = '42501';
    end if;
    return null;
end $$;
create trigger audit_leaf_follows after insert on audit_leaf
    referencing new table as placed for each statement execute function audit_leaf_follows();
alter table audit_leaf enable always trigger audit_leaf_follows;
"""
BACKWARD = """
drop trigger audit_leaf_follows on audit_leaf;
drop function audit_leaf_follows();
drop trigger audit_pending_placed on audit_pending;
drop function audit_pending_placed();
drop trigger audit_pending_no_change on audit_pending;
alter function audit_queue_entry() security invoker reset search_path;
"""


class Migration(migrations.Migration):
    dependencies = [("audit", "0004_context_aside")]
    operations = [migrations.RunSQL(FORWARD, BACKWARD)]
