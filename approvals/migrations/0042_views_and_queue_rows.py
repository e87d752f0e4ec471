"""What several statements read alike becomes views; queue rows lose the identifiers that nobody reads."""

from django.db import migrations

# Each right that a group gives an active person; a group without rights has one row, without permission.
MEMBERSHIP = """
create view approvals_membership with (security_invoker) as
select member.user_id, team.name as team, type.app_label || '.' || permission.codename as permission
from approvals_user_groups member
join approvals_user person on person.id = member.user_id
join auth_group team on team.id = member.group_id
left join auth_group_permissions granted on granted.group_id = team.id
left join auth_permission permission on permission.id = granted.permission_id
left join django_content_type type on type.id = permission.content_type_id
where person.is_active
"""
# The people who gave a delegation that was not ended early, with its time and the person they gave it to.
ABSENT = """
create view approvals_absent with (security_invoker) as
select delegation.delegate_id, delegation.starts_at, delegation.ends_at, person.id, person.email, person.username,
       coalesce(nullif(trim(concat(person.first_name, ' ', person.last_name)), ''), person.username) as name,
       person.former_names, person.held_since is not null as held
from approvals_delegation delegation
join approvals_user person on person.id = delegation.person_id
where delegation.ended_at is null
"""


def functions(cve_ids: str, patch_cve_ids: str) -> str:
    """Return the functions that fill queue rows, with this column or without."""
    queue_rows = f"""insert into approvals_waiting (
        decision_id, created_at, priority, sla_warn_at, sla_due_at, escalation_level, confidence, policy_id,
        producer_id, severity, cwe_ids,{cve_ids} package_name, ecosystem, language, wargaming, ml_prediction,
        submitted_by, sha256, search
    )
    select decision.id, decision.created_at, decision.priority, decision.sla_warn_at, decision.sla_due_at,
        decision.escalation_level, decision.confidence, version.policy_id, patch.producer_id, patch.effective_severity,
        patch.cwe_ids,{patch_cve_ids} patch.package_name, patch.ecosystem, patch.language, patch.wargaming,
        patch.ml_prediction, patch.submitted_by, patch.sha256, patch.search
    from approvals_decision decision
    join approvals_patch patch on patch.id = decision.patch_id
    join approvals_policyversion version on version.id = decision.policy_version_id"""
    return f"""
create or replace function approvals_waiting_keep() returns trigger
language plpgsql security definer set search_path to public, pg_temp as $$
begin
    if tg_op = 'UPDATE' and old.status = 'pending' then
        if new.status = 'pending' and (old.priority, old.sla_warn_at, old.sla_due_at, old.escalation_level,
            old.confidence, old.policy_version_id) is not distinct from (new.priority, new.sla_warn_at,
            new.sla_due_at, new.escalation_level, new.confidence, new.policy_version_id)
        then
            return null;  -- an approval was counted
        end if;
        delete from approvals_waiting where decision_id = new.id;
    end if;
    if new.status = 'pending' then
    {queue_rows}
    where decision.id = new.id;
    elsif tg_op = 'UPDATE' then
        delete from approvals_voice where decision_id = new.id;
    end if;
    return null;
end $$;

create or replace function approvals_waiting_refill() returns void language sql as $$
    delete from approvals_waiting;
    {queue_rows}
    where decision.status = 'pending';
    delete from approvals_voice;
    insert into approvals_voice (decision_id, user_id)
    select review.decision_id, who
    from approvals_review review
    join approvals_decision decision on decision.id = review.decision_id and decision.status = 'pending',
    unnest(array[review.reviewer_id, review.delegated_from_id]) who
    where review.withdrawn_at is null and who is not null
    on conflict do nothing;
$$;
"""


DROP = functions("", "") + "alter table approvals_waiting drop column cve_ids;"
ADD_AGAIN = (
    "alter table approvals_waiting add column cve_ids varchar(255)[] not null default '{}';\n"
    "alter table approvals_waiting alter column cve_ids drop default;\n"
    + functions(" cve_ids,", " patch.cve_ids,")
    + "select approvals_waiting_refill();"
)


class Migration(migrations.Migration):
    dependencies = [("approvals", "0041_less_time_to_object")]
    operations = [
        migrations.RunSQL(MEMBERSHIP, "drop view approvals_membership;"),
        migrations.RunSQL(ABSENT, "drop view approvals_absent;"),
        migrations.RunSQL(DROP, ADD_AGAIN, [migrations.RemoveField("waiting", "cve_ids")]),
    ]
