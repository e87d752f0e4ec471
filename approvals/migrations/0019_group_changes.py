"""Group changes that add deciders wait for a second person, as what loosens a policy does."""

import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models

FUNCTION = """
create or replace function approvals_proposal_guard() returns trigger language plpgsql as $$
begin
    if tg_op = 'DELETE' or old.state <> 'open'
        or (old.kind, old.policy_id, {more_old}old.payload, old.base, old.loosens, old.reason_id, old.proposed_by_id,
            old.proposed_at) is distinct from (new.kind, new.policy_id, {more_new}new.payload, new.base, new.loosens,
            new.reason_id, new.proposed_by_id, new.proposed_at)
    then
        raise exception 'a proposal never changes and ends once' using errcode = '42501';
    end if;{more}
    return new;
end $$;
"""
MEMBERS = """
    if new.state = 'applied' and exists (
        select from approvals_user_groups member
            where member.group_id = new.group_id and member.user_id = new.decided_by_id
    ) then
        raise exception 'nobody agrees to more rights of a group they are in'
            using errcode = '23514', constraint = 'proposal_not_by_who_gains';
    end if;"""
# What somebody asked for never changes, whom it is about included; who gains by it does not agree to it.
FORWARD = FUNCTION.format(
    more_old="old.person_id, old.group_id, ", more_new="new.person_id, new.group_id, ", more=MEMBERS
)
# Without their columns nothing says whom these are about; that they were asked for and decided is in the audit log.
FORGET = """
alter table approvals_proposal disable trigger approvals_proposal_guard;
delete from approvals_proposal where kind in ('person', 'group');
alter table approvals_proposal enable always trigger approvals_proposal_guard;
"""
BACKWARD = FORGET + FUNCTION.format(more_old="", more_new="", more="")


class Migration(migrations.Migration):
    dependencies = [
        ("approvals", "0018_waiting_counts"),
        ("auth", "0012_alter_user_first_name_max_length"),
    ]

    operations = [
        migrations.AddField(
            model_name="proposal",
            name="group",
            field=models.ForeignKey(
                null=True, on_delete=django.db.models.deletion.PROTECT, related_name="+", to="auth.group"
            ),
        ),
        migrations.AddField(
            model_name="proposal",
            name="person",
            field=models.ForeignKey(
                null=True, on_delete=django.db.models.deletion.PROTECT, related_name="+", to=settings.AUTH_USER_MODEL
            ),
        ),
        migrations.AlterField(
            model_name="proposal",
            name="kind",
            field=models.CharField(
                choices=[
                    ("policy", "Policy"),
                    ("switch", "Automatic approval back on"),
                    ("person", "Rights of a person"),
                    ("group", "Rights of a group"),
                ],
                max_length=6,
            ),
        ),
        migrations.AddConstraint(
            model_name="proposal",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(("state", "applied"), _negated=True),
                    ("person", None),
                    models.Q(("decided_by", models.F("person")), _negated=True),
                    _connector="OR",
                ),
                name="proposal_not_by_who_gains",
            ),
        ),
        migrations.AddConstraint(
            model_name="proposal",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(("group", None), ("kind", "policy"), ("person", None), ("policy__isnull", False)),
                    models.Q(("group", None), ("kind", "switch"), ("person", None), ("policy", None)),
                    models.Q(("group", None), ("kind", "person"), ("person__isnull", False), ("policy", None)),
                    models.Q(("group__isnull", False), ("kind", "group"), ("person", None), ("policy", None)),
                    _connector="OR",
                ),
                name="proposal_is_about_one_thing",
            ),
        ),
        migrations.AddConstraint(
            model_name="proposal",
            constraint=models.UniqueConstraint(
                condition=models.Q(("state", "open")), fields=("person",), name="proposal_one_a_person"
            ),
        ),
        migrations.AddConstraint(
            model_name="proposal",
            constraint=models.UniqueConstraint(
                condition=models.Q(("state", "open")), fields=("group",), name="proposal_one_a_group"
            ),
        ),
        migrations.RunSQL(FORWARD, BACKWARD),
    ]
