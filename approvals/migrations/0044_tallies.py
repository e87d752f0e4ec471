"""What is counted of decisions, kept by day: each change leaves a row with what it changed, which the sequencer adds to
the tallies."""

from django.db import migrations

TABLES = """
create table approvals_tally (
    series text, at timestamptz, name text, number integer, amount bigint not null,
    primary key (series, at, name, number) include (amount)
);
create table approvals_tallychange (
    amount smallint not null, created_at timestamptz not null, priority smallint, status text, decided_by_kind text,
    decided_at timestamptz, sla_due_at timestamptz, agrees boolean
) with (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 5000);
"""
# 64 for each doubling: within one all times are alike to 1.1 %, and an index finds the exact one.
TOOK = """
create function approvals_took(took interval) returns integer language sql immutable strict parallel safe as $$
    select floor(64 * ln(1 + greatest(extract(epoch from took)::float8, 0)) / ln(2::float8))::integer;
$$;
"""
PARTS = """
create function approvals_tally_of(change approvals_tallychange)
returns table (series text, at timestamptz, name text, number integer, amount bigint)
language sql immutable parallel safe as $$
    select part.series, part.at, part.name, part.number, part.amount * change.amount
    from (
        select change.decided_by_kind = 'human' and change.status <> 'cancelled' as by_people,
            change.decided_at - change.created_at as took, change.sla_due_at < '9999-12-31 00:00+00' as has_sla,
            change.status <> 'pending' as ended, change.decided_at > change.sla_due_at as late
    ) is_so, lateral (
        -- by the day of arrival, and all days together
        select of_day.series, span.at, of_day.name, of_day.number, of_day.amount
        from (values (date_bin('1 day', change.created_at, '2000-01-01 00:00+00')), ('-infinity')) span (at), (values
            ('status', change.status, change.priority::integer, 1::bigint, change.status is not null),
            ('took', '', approvals_took(took), 1, by_people),
            ('microseconds', '', 0, (extract(epoch from took) * 1000000)::bigint, by_people),
            ('agrees', change.agrees::text, 0, 1, change.agrees is not null),
            ('sla', case when late then 'missed' else 'met' end, change.priority, 1,
                has_sla and ended and (by_people or late)),
            ('due', '', (floor(extract(epoch from change.sla_due_at) / 3600) * 10)::integer + change.priority, 1,
                has_sla and not ended)
        ) of_day (series, name, number, amount, counts)
        where of_day.counts
        union all
        -- by the quarter of an hour of the decision, at which a day begins everywhere, and by its day
        select 'outcome', date_bin('15 minutes', change.decided_at, '2000-01-01 00:00+00'),
            case when change.status = 'revoked' then change.decided_by_kind else change.status end, 0, 1
        where ended
        union all
        select 'minutes', date_bin('1 day', change.decided_at, '2000-01-01 00:00+00'), '',
            width_bucket(extract(epoch from took)::float8 / 60, '{1,5,10,15,30,60,240,1440}'::float8[]), 1
        where ended and change.decided_by_kind = 'human'
    ) part;
$$;
"""
# What there is, as changes from nothing. Results of ML and wargaming are the patch's and never change.
COUNTED = """
create view approvals_counted with (security_invoker) as
select 1::smallint as amount, created_at, priority, status::text, decided_by_kind::text, decided_at, sla_due_at,
    null::boolean as agrees
from approvals_decision
union all
select 1, created_at, null, null, null, null, null, ml_prediction = (wargaming = 'passed')
from approvals_patch where ml_prediction is not null and wargaming in ('passed', 'failed');
"""
KEEP = """
create function approvals_tally_keep() returns trigger
language plpgsql security definer set search_path to public, pg_temp as $$
begin
    if tg_op = 'UPDATE' then
        insert into approvals_tallychange
        values (-1, old.created_at, old.priority, old.status, old.decided_by_kind, old.decided_at, old.sla_due_at, null),
               (1, new.created_at, new.priority, new.status, new.decided_by_kind, new.decided_at, new.sla_due_at, null);
    else
        insert into approvals_tallychange
        select 1, new.created_at, new.priority, new.status, new.decided_by_kind, new.decided_at, new.sla_due_at,
            case when wargaming in ('passed', 'failed') then ml_prediction = (wargaming = 'passed') end
        from approvals_patch where id = new.patch_id;
    end if;
    return null;
end $$;
create trigger approvals_tally_insert after insert on approvals_decision
    for each row execute function approvals_tally_keep();
create trigger approvals_tally_update after update on approvals_decision for each row when (
    (old.priority, old.status, old.decided_by_kind, old.decided_at, old.sla_due_at)
    is distinct from (new.priority, new.status, new.decided_by_kind, new.decided_at, new.sla_due_at)
) execute function approvals_tally_keep();
alter table approvals_decision enable always trigger approvals_tally_insert;
alter table approvals_decision enable always trigger approvals_tally_update;
"""
# Called by the sequencer alone, of which there is one: nobody else writes the tallies meanwhile.
FOLD = """
create function approvals_tally_fold(most integer) returns void
language sql security definer set search_path to public, pg_temp as $$
    with taken as (
        delete from approvals_tallychange
        where ctid = any(array(select ctid from approvals_tallychange limit most)) returning *
    )
    merge into approvals_tally tally
    using (
        select part.series, part.at, part.name, part.number, sum(part.amount) as amount
        from taken change, approvals_tally_of(change) part group by 1, 2, 3, 4 having sum(part.amount) <> 0
    ) more
    on (tally.series, tally.at, tally.name, tally.number) = (more.series, more.at, more.name, more.number)
    when matched and tally.amount + more.amount = 0 then delete
    when matched then update set amount = tally.amount + more.amount
    when not matched then insert values (more.series, more.at, more.name, more.number, more.amount);
$$;
"""
# Readers and writers of decisions go on; the sequencer waits. One statement compares what one moment shows.
REPAIR = """
create function approvals_tally_refill()
returns table (series text, at timestamptz, name text, number integer, kept bigint, counted bigint)
language plpgsql security definer set search_path to public, pg_temp as $$
#variable_conflict use_column
begin
    lock table approvals_tally in share row exclusive mode;
    return query
    with difference as materialized (
        select series, at, name, number, sum(kept)::bigint as kept, sum(counted)::bigint as counted
        from (
            select series, at, name, number, amount as kept, 0 as counted from approvals_tally
            union all
            select part.series, part.at, part.name, part.number, part.amount, 0
            from approvals_tallychange change, approvals_tally_of(change) part
            union all
            select part.series, part.at, part.name, part.number, 0, part.amount
            from approvals_counted counted, approvals_tally_of(row(counted.*)::approvals_tallychange) part
        ) every
        group by 1, 2, 3, 4 having sum(kept) <> sum(counted)
    ), mended as (
        insert into approvals_tally as tally
        select series, at, name, number, counted - kept from difference order by 1, 2, 3, 4
        on conflict (series, at, name, number) do update set amount = tally.amount + excluded.amount
    )
    select * from difference order by series, at, name, number;
    delete from approvals_tally where amount = 0;
end $$;
"""


class Migration(migrations.Migration):
    dependencies = [("approvals", "0043_all_accounts_and_objections")]
    operations = [
        migrations.RunSQL(TABLES, "drop table approvals_tally, approvals_tallychange;"),
        migrations.RunSQL(TOOK, "drop function approvals_took(interval);"),
        migrations.RunSQL(PARTS, "drop function approvals_tally_of(approvals_tallychange);"),
        migrations.RunSQL(COUNTED, "drop view approvals_counted;"),
        migrations.RunSQL(FOLD, "drop function approvals_tally_fold(integer);"),
        migrations.RunSQL(REPAIR, "drop function approvals_tally_refill();"),
        migrations.RunSQL(
            KEEP,
            """
drop trigger approvals_tally_insert on approvals_decision;
drop trigger approvals_tally_update on approvals_decision;
drop function approvals_tally_keep();
""",
        ),
    ]
