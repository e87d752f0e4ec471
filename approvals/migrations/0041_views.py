"""What several statements read alike, as views."""

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


class Migration(migrations.Migration):
    dependencies = [("approvals", "0040_refused_sign_ins")]
    operations = [
        migrations.RunSQL(MEMBERSHIP, "drop view approvals_membership;"),
        migrations.RunSQL(ABSENT, "drop view approvals_absent;"),
    ]
