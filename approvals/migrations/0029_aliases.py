"""A producer's name for a decision is its own: two producers may use the same one."""

import django.db.models.deletion
from django.db import migrations, models
from django.db.models import Q

# Nobody but the database says whose an alias is: written by hand it could be anybody's, and the constraint worth nothing.
FORWARD = """
create function approvals_alias_keep() returns trigger language plpgsql as $$
begin
    new.alias_producer_id := case when new.alias is not null then
        (select producer_id from approvals_patch where id = new.patch_id) end;
    return new;
end $$;
create trigger approvals_alias_keep before insert or update of alias, alias_producer_id, patch_id
    on approvals_decision for each row execute function approvals_alias_keep();
alter table approvals_decision enable always trigger approvals_alias_keep;
update approvals_decision set alias = alias where alias is not null;
"""
BACKWARD = """
drop trigger approvals_alias_keep on approvals_decision;
drop function approvals_alias_keep();
"""


class Migration(migrations.Migration):
    dependencies = [
        ("approvals", "0025_gate_conditions"),
    ]

    operations = [
        migrations.AddField(
            model_name="decision",
            name="alias_producer",
            field=models.ForeignKey(
                db_constraint=False,
                db_index=False,
                editable=False,
                help_text="Whose name for it the alias is; a trigger keeps it.",
                null=True,
                on_delete=django.db.models.deletion.DO_NOTHING,
                related_name="+",
                to="approvals.producer",
            ),
        ),
        migrations.AlterField(
            model_name="decision",
            name="alias",
            field=models.CharField(max_length=200, null=True),
        ),
        migrations.RunSQL(FORWARD, BACKWARD),
        migrations.AddConstraint(
            model_name="decision",
            constraint=models.UniqueConstraint(fields=("alias", "alias_producer"), name="decision_alias_once"),
        ),
        migrations.AddConstraint(
            model_name="decision",
            constraint=models.CheckConstraint(
                condition=Q(alias__isnull=True, alias_producer__isnull=True)
                | Q(alias__isnull=False, alias_producer__isnull=False),
                name="decision_alias_is_somebodys",
            ),
        ),
    ]
