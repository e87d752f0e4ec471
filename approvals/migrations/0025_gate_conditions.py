"""A policy may let workflow gates be approved by the conditions they were sent with; the database asks for its word."""

from django.db import migrations, models

FORWARD = """
create or replace function approvals_gate_person_guard() returns trigger language plpgsql as $$
begin
    if exists (select from approvals_patch where id = new.patch_id and kind = 'gate') and not exists (
        select from approvals_policyversion version
            where version.id = new.policy_version_id and version.gate_conditions and new.channel = 'intake'
    ) then
        raise exception 'a gate is approved by people' using errcode = '23514', constraint = 'gate_approved_by_person';
    end if;
    return new;
end $$;
"""
BACKWARD = """
create or replace function approvals_gate_person_guard() returns trigger language plpgsql as $$
begin
    if exists (select from approvals_patch where id = new.patch_id and kind = 'gate') then
        raise exception 'a gate is approved by people' using errcode = '23514', constraint = 'gate_approved_by_person';
    end if;
    return new;
end $$;
"""


class Migration(migrations.Migration):
    dependencies = [
        ("approvals", "0024_same_lines"),
    ]

    operations = [
        migrations.AddField(
            model_name="policyversion",
            name="gate_conditions",
            field=models.BooleanField(
                default=False,
                help_text="Enforced, approve a workflow gate without a person when every condition it was sent with "
                "holds. Whoever sends the gate writes both: name in the condition above which producers may.",
            ),
        ),
        migrations.RunSQL(FORWARD, BACKWARD),
    ]
