"""Whatever a person is called in any of their accounts tells whose patch it is; and where time approves, fewer people who
may object, or whom an escalation asks, let more through."""

from django.db import migrations

ACCOUNTS = r"""
create function approvals_accounts(who bigint) returns setof bigint language sql stable as $$
    with addressed as (
        select id, regexp_replace(lower(email), '(.)\+[^@]*@', '\1@') as address from approvals_user where email <> ''
        union select user_id, regexp_replace(lower(email), '(.)\+[^@]*@', '\1@') from account_emailaddress where verified
    ), subjects as (select provider, uid from socialaccount_socialaccount where user_id = who)
    select who union select id from addressed where address in (select address from addressed where id = who)
    union select user_id from socialaccount_socialaccount where (provider, uid) in (select provider, uid from subjects)
$$;
create function approvals_names(who bigint) returns text[] language sql stable as $$
    with account as (select approvals_accounts(who) as id)
    select array(
        select unnest(former_names) from approvals_user where id in (select id from account)
        union select unnest(array[lower(email), lower(username)]) from approvals_user
            where id in (select id from account) and id <> who
        union select lower(email) from account_emailaddress where verified and user_id in (select id from account)
        except select ''
    )
$$;
"""
ABSENT = """
drop view approvals_absent;
create view approvals_absent with (security_invoker) as
select delegation.delegate_id, delegation.starts_at, delegation.ends_at, person.id, person.email, person.username,
       coalesce(nullif(trim(concat(person.first_name, ' ', person.last_name)), ''), person.username) as name,
       {names}, person.held_since is not null as held
from approvals_delegation delegation
join approvals_user person on person.id = delegation.person_id
where delegation.ended_at is null;
"""
FORWARD = """
create or replace function approvals_loosens(old approvals_policyversion, new approvals_policyversion) returns boolean
language sql immutable as $$
    select btrim(old.match, E' \\t\\n\\r\\f\\v') <> btrim(new.match, E' \\t\\n\\r\\f\\v')
        -- fewer people
        or new.required_approvals < old.required_approvals
        or not new.required_groups @> old.required_groups
        or old.known_submitter and not new.known_submitter
        or old.decider_groups <> '{}' and (new.decider_groups = '{}' or not new.decider_groups <@ old.decider_groups)
        or new.deny_threshold > old.deny_threshold
        or old.second_factor and not new.second_factor
        or old.step_up and not new.step_up and not new.second_factor
        -- more by the machine
        or new.expire_action = 'approve' and (
            old.expire_action <> 'approve'
            or coalesce(new.expire_after_seconds < old.expire_after_seconds,
                        new.expire_after_seconds is not null and old.expire_after_seconds is null)
            or not (new.decider_groups @> old.decider_groups and new.decider_groups <@ old.decider_groups)
            or coalesce(new.escalate_after_seconds > old.escalate_after_seconds,
                        new.escalate_after_seconds is null and old.escalate_after_seconds is not null)
            or old.escalation <> '[]' and new.escalation <> old.escalation
        )
        or new.auto_approval = 'enforce' and (
            old.auto_approval <> 'enforce'
            or new.auto_approve_threshold < old.auto_approve_threshold
            or new.spot_check_percent < old.spot_check_percent
            or new.location_slack > old.location_slack
            or not new.allowed_marks <@ old.allowed_marks
            or new.gate_conditions and not old.gate_conditions
        )
$$;
"""
BACKWARD = """
create or replace function approvals_loosens(old approvals_policyversion, new approvals_policyversion) returns boolean
language sql immutable as $$
    select btrim(old.match, E' \\t\\n\\r\\f\\v') <> btrim(new.match, E' \\t\\n\\r\\f\\v')
        -- fewer people
        or new.required_approvals < old.required_approvals
        or not new.required_groups @> old.required_groups
        or old.known_submitter and not new.known_submitter
        or old.decider_groups <> '{}' and (new.decider_groups = '{}' or not new.decider_groups <@ old.decider_groups)
        or new.deny_threshold > old.deny_threshold
        or old.second_factor and not new.second_factor
        or old.step_up and not new.step_up and not new.second_factor
        -- more by the machine
        or new.expire_action = 'approve' and (
            old.expire_action <> 'approve'
            or coalesce(new.expire_after_seconds < old.expire_after_seconds,
                        new.expire_after_seconds is not null and old.expire_after_seconds is null)
        )
        or new.auto_approval = 'enforce' and (
            old.auto_approval <> 'enforce'
            or new.auto_approve_threshold < old.auto_approve_threshold
            or new.spot_check_percent < old.spot_check_percent
            or new.location_slack > old.location_slack
            or not new.allowed_marks <@ old.allowed_marks
            or new.gate_conditions and not old.gate_conditions
        )
$$;
"""


class Migration(migrations.Migration):
    dependencies = [
        ("approvals", "0042_views_and_queue_rows"),
        ("account", "0009_emailaddress_unique_primary_email"),
        ("socialaccount", "0006_alter_socialaccount_extra_data"),
    ]
    operations = [
        migrations.RunSQL(ACCOUNTS, "drop function approvals_names; drop function approvals_accounts"),
        migrations.RunSQL(
            ABSENT.format(names="approvals_names(person.id) as other_names"), ABSENT.format(names="person.former_names")
        ),
        migrations.RunSQL(FORWARD, BACKWARD),
    ]
