"""A policy that lets more through needs an agreement in the database too, as `policy.loosening` has it."""

from django.db import migrations

FORWARD = """
create function approvals_loosens(old approvals_policyversion, new approvals_policyversion) returns boolean
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
        or new.expire_action = 'approve' and old.expire_action <> 'approve'
        or new.auto_approval = 'enforce' and (
            old.auto_approval <> 'enforce'
            or new.auto_approve_threshold < old.auto_approve_threshold
            or new.spot_check_percent < old.spot_check_percent
            or new.location_slack > old.location_slack
            or not new.allowed_marks <@ old.allowed_marks
            or new.gate_conditions and not old.gate_conditions
        )
$$;

create function approvals_policy_loosened_guard() returns trigger language plpgsql as $$
declare
    covered boolean := tg_op = 'UPDATE' and old.enabled and old.current_id is not null;
    covers boolean := new.enabled and new.current_id is not null;
begin
    if not covered and not covers or not (select second_person_required from approvals_killswitch) or exists (
        select from approvals_proposal where kind = 'policy' and policy_id = new.id and state = 'applied'
            and applied_in = pg_current_xact_id()::text::bigint
    ) then
        return new;
    end if;
    if covered <> covers or new.position <> old.position or (
        select approvals_loosens(before, after) from approvals_policyversion before, approvals_policyversion after
        where before.id = old.current_id and after.id = new.current_id
    ) then
        raise exception 'a policy lets more through once a second person has agreed to it'
            using errcode = '23514', constraint = 'policy_loosened_by_two';
    end if;
    return new;
end $$;
create trigger approvals_policy_loosened_guard before insert or update on approvals_policy
    for each row execute function approvals_policy_loosened_guard();
alter table approvals_policy enable always trigger approvals_policy_loosened_guard;
"""
BACKWARD = """
drop trigger approvals_policy_loosened_guard on approvals_policy;
drop function approvals_policy_loosened_guard();
drop function approvals_loosens(approvals_policyversion, approvals_policyversion);
"""


class Migration(migrations.Migration):
    dependencies = [("approvals", "0038_second_person_kept")]
    operations = [migrations.RunSQL(FORWARD, BACKWARD)]
