"""What a second person agrees to is tied to the agreement: who may give it, an account that decides again, trust in a
producer. Plain SQL could set the columns without anybody asking."""

from django.db import migrations, models

GUARD = """
create or replace function approvals_proposal_guard() returns trigger language plpgsql as $$
begin
    if tg_op = 'DELETE' or old.state <> 'open'
        or (old.kind, old.policy_id, old.person_id, old.group_id, old.producer_id, old.payload, old.base, old.loosens,
            old.reason_id, old.proposed_by_id, old.proposed_at) is distinct from (new.kind, new.policy_id,
            new.person_id, new.group_id, new.producer_id, new.payload, new.base, new.loosens, new.reason_id,
            new.proposed_by_id, new.proposed_at)
    then
        raise exception 'a proposal never changes and ends once' using errcode = '42501';
    end if;
    if new.state = 'applied' and exists (
        select from approvals_user_groups member
            where member.group_id = new.group_id and member.user_id = new.decided_by_id
    ) then
        raise exception 'nobody agrees to more rights of a group they are in'
            using errcode = '23514', constraint = 'proposal_not_by_who_gains';
    end if;
    if new.state = 'applied' and exists (
        select from approvals_user where id in (new.decided_by_id, new.proposed_by_id) and held_since is not null
    ) then
        raise exception 'an account that waits for its owner agrees to nothing, and asks for nothing'
            using errcode = '23514', constraint = 'proposal_by_its_owner';
    end if;
    if new.state = 'applied' and new.kind = 'account' and new.payload -> 'by' @> to_jsonb(new.decided_by_id) then
        raise exception 'nobody agrees to what they did to an account themselves'
            using errcode = '23514', constraint = 'proposal_needs_a_second_person';
    end if;{more}
    return new;
end $$;
"""
APPLIED = """
    if new.state = 'applied' and not approvals_may_agree(new.kind, new.decided_by_id) then
        raise exception 'who agrees has the right to'
            using errcode = '23514', constraint = 'proposal_by_who_may_agree';
    end if;
    -- The whole transaction's, whatever savepoint this is in: never given twice, and nobody but this trigger writes it.
    new.applied_in := case when new.state = 'applied' then pg_current_xact_id()::text::bigint end;"""

FORWARD = (
    """
-- As `policy.agreeing.lacks_right` has it.
create function approvals_may_agree(kind text, who bigint) returns boolean language sql stable as $$
    with granted as (
        select person.id, permission.codename, person.held_since is null as decides
        from approvals_user person
        join approvals_user_groups member on member.user_id = person.id
        join auth_group_permissions given on given.group_id = member.group_id
        join auth_permission permission on permission.id = given.permission_id
        join django_content_type type on type.id = permission.content_type_id and type.app_label = 'approvals'
        where person.is_active and permission.codename in ('lead_decision', 'change_policy')
    ), asked as (
        select person.is_superuser as superuser,
            exists (select from granted where id = who and codename = 'lead_decision') as lead,
            exists (select from granted where id = who and codename = 'change_policy') or exists (
                select from approvals_user_user_permissions own
                join auth_permission permission on permission.id = own.permission_id
                join django_content_type type on type.id = permission.content_type_id
                where own.user_id = who and (type.app_label, permission.codename) = ('approvals', 'change_policy')
            ) as changes_policies,
            exists (select from granted where codename = 'lead_decision' and decides) as leads
        from approvals_user person where person.id = who and person.is_active
    )
    select coalesce(bool_or(case kind
        when 'policy' then changes_policies or superuser
        when 'switch' then lead
        when 'account' then lead or superuser and not leads
        else lead or superuser
    end), false) from asked
$$;
"""
    + GUARD.format(more=APPLIED)
    + """
drop trigger approvals_proposal_insert_guard on approvals_proposal;
create trigger approvals_proposal_insert_guard before insert on approvals_proposal for each row
    when (new.state <> 'open' or new.applied_in is not null) execute function approvals_proposal_insert_guard();
alter table approvals_proposal enable always trigger approvals_proposal_insert_guard;

create function approvals_user_agreed_guard() returns trigger language plpgsql as $$
begin
    if (select second_person_required from approvals_killswitch) and not (
        new.held_since = old.held_since and old.owner_confirmed_at is not null and exists (
            select from approvals_proposal where kind = 'account' and person_id = new.id and state = 'applied'
                and applied_in = pg_current_xact_id()::text::bigint and proposed_at >= old.held_since
        )
    ) then
        raise exception 'an account decides again once a second person has agreed to it, on the Policies page'
            using errcode = '23514', constraint = 'user_agreed_by_a_lead';
    end if;
    return new;
end $$;
-- Whatever else such an update changes: an agreement is of the hold it was asked for.
create trigger approvals_user_agreed_guard before update on approvals_user for each row
    when (new.lead_agreed_at is not null and (
        new.lead_agreed_at is distinct from old.lead_agreed_at or new.held_since is distinct from old.held_since
    )) execute function approvals_user_agreed_guard();
alter table approvals_user enable always trigger approvals_user_agreed_guard;

create function approvals_producer_trust_guard() returns trigger language plpgsql as $$
declare
    before jsonb := case when tg_op = 'UPDATE' then to_jsonb(old) else '{}' end;
    name text;
begin
    if not (select second_person_required from approvals_killswitch) then
        return new;
    end if;
    foreach name in array array['trusted_for_ml', 'trusted_for_wargaming'] loop
        if (to_jsonb(new) ->> name)::boolean and not coalesce((before ->> name)::boolean, false) and not exists (
            select from approvals_proposal where kind = 'producer' and producer_id = new.id and state = 'applied'
                and applied_in = pg_current_xact_id()::text::bigint and (payload ->> name)::boolean
        ) then
            raise exception 'evidence of a producer counts once a second person has agreed to it'
                using errcode = '23514', constraint = 'producer_trusted_by_two';
        end if;
    end loop;
    return new;
end $$;
create trigger approvals_producer_trust_guard before insert or update on approvals_producer for each row
    when (new.trusted_for_ml or new.trusted_for_wargaming) execute function approvals_producer_trust_guard();
alter table approvals_producer enable always trigger approvals_producer_trust_guard;
"""
)
BACKWARD = (
    """
drop trigger approvals_producer_trust_guard on approvals_producer;
drop function approvals_producer_trust_guard();
drop trigger approvals_user_agreed_guard on approvals_user;
drop function approvals_user_agreed_guard();
drop trigger approvals_proposal_insert_guard on approvals_proposal;
create trigger approvals_proposal_insert_guard before insert on approvals_proposal for each row
    when (new.state <> 'open') execute function approvals_proposal_insert_guard();
alter table approvals_proposal enable always trigger approvals_proposal_insert_guard;
"""
    + GUARD.format(more="")
    + "drop function approvals_may_agree(text, bigint);\n"
)


class Migration(migrations.Migration):
    dependencies = [("approvals", "0036_plain_changes")]
    operations = [
        migrations.AddField(
            model_name="proposal",
            name="applied_in",
            field=models.BigIntegerField(
                editable=False,
                help_text="The database transaction that applied it; a trigger writes it.",
                null=True,
            ),
        ),
        migrations.RunSQL(FORWARD, BACKWARD),
    ]
