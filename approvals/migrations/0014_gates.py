"""Workflow gates: a table of what was asked, and what the database refuses of them."""

import django.contrib.postgres.fields
import django.db.models.deletion
from django.db import migrations, models

FORWARD = """
-- The digest people approve is that of what they were shown.
create function approvals_gate_insert_guard() returns trigger language plpgsql as $$
begin
    if not exists (
        select from approvals_patch where id = new.patch_id and kind = 'gate'
            and sha256 = encode(sha256(convert_to(new.document, 'UTF8')), 'hex')
    ) then
        raise exception 'a gate is the document of its digest' using errcode = '23514', constraint = 'gate_digest';
    end if;
    return new;
end $$;
create trigger approvals_gate_insert_guard before insert on approvals_gate
    for each row execute function approvals_gate_insert_guard();
alter table approvals_gate enable always trigger approvals_gate_insert_guard;

create trigger approvals_gate_no_change before update or delete on approvals_gate
    for each row execute function approvals_refuse_change();
alter table approvals_gate enable always trigger approvals_gate_no_change;
create trigger approvals_gate_no_truncate before truncate on approvals_gate
    for each statement execute function approvals_refuse_change();
alter table approvals_gate enable always trigger approvals_gate_no_truncate;

-- Whatever the conditions of policy or request say, a gate waits for a person.
create function approvals_gate_person_guard() returns trigger language plpgsql as $$
begin
    if exists (select from approvals_patch where id = new.patch_id and kind = 'gate') then
        raise exception 'a gate is approved by people' using errcode = '23514', constraint = 'gate_approved_by_person';
    end if;
    return new;
end $$;
create trigger approvals_gate_person_guard before update on approvals_decision
    for each row when (new.status = 'auto_approved' and old.status <> 'auto_approved')
    execute function approvals_gate_person_guard();
alter table approvals_decision enable always trigger approvals_gate_person_guard;
"""

BACKWARD = """
drop trigger approvals_gate_person_guard on approvals_decision;
drop function approvals_gate_person_guard();
drop trigger approvals_gate_no_truncate on approvals_gate;
drop trigger approvals_gate_no_change on approvals_gate;
drop trigger approvals_gate_insert_guard on approvals_gate;
drop function approvals_gate_insert_guard();
"""


class Migration(migrations.Migration):
    dependencies = [
        ("approvals", "0013_second_person"),
    ]

    operations = [
        migrations.CreateModel(
            name="Gate",
            fields=[
                (
                    "patch",
                    models.OneToOneField(
                        on_delete=django.db.models.deletion.PROTECT,
                        primary_key=True,
                        related_name="gate",
                        serialize=False,
                        to="approvals.patch",
                    ),
                ),
                ("workflow_id", models.CharField(max_length=255)),
                ("job_id", models.CharField(max_length=255)),
                ("execution_id", models.CharField(max_length=255)),
                (
                    "allowed_approvers",
                    django.contrib.postgres.fields.ArrayField(
                        base_field=models.CharField(max_length=255),
                        default=list,
                        help_text="User names and e-mail addresses, folded; none means whom the policy lets decide.",
                        size=None,
                    ),
                ),
                (
                    "document",
                    models.TextField(
                        help_text="The request as canonical JSON (RFC 8785), byte for byte what is approved."
                    ),
                ),
            ],
        ),
        migrations.AlterField(
            model_name="patch",
            name="kind",
            field=models.CharField(
                choices=[("patch", "Patch"), ("gate", "Workflow gate")], default="patch", max_length=5
            ),
        ),
        migrations.AddConstraint(
            model_name="patch",
            constraint=models.CheckConstraint(condition=models.Q(("kind__in", ["patch", "gate"])), name="patch_kind"),
        ),
        migrations.AddIndex(
            model_name="gate",
            index=models.Index(fields=["workflow_id"], name="gate_by_workflow"),
        ),
        migrations.RunSQL(FORWARD, BACKWARD),
    ]
