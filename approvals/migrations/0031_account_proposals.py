"""Accounts that an administrator touched and trust in producers wait for a second person too."""

import django.db.models.deletion
from django.db import migrations, models

FUNCTION = """
create or replace function approvals_proposal_guard() returns trigger language plpgsql as $$
begin
    if tg_op = 'DELETE' or old.state <> 'open'
        or (old.kind, old.policy_id, old.person_id, old.group_id, {more_old}old.payload, old.base, old.loosens,
            old.reason_id, old.proposed_by_id, old.proposed_at) is distinct from (new.kind, new.policy_id,
            new.person_id, new.group_id, {more_new}new.payload, new.base, new.loosens, new.reason_id,
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
    end if;{more}
    return new;
end $$;
"""
OWNERS = """
    if new.state = 'applied' and exists (
        select from approvals_user where id in (new.decided_by_id, new.proposed_by_id) and held_since is not null
    ) then
        raise exception 'an account that waits for its owner agrees to nothing, and asks for nothing'
            using errcode = '23514', constraint = 'proposal_by_its_owner';
    end if;
    if new.state = 'applied' and new.kind = 'account' and new.payload -> 'by' @> to_jsonb(new.decided_by_id) then
        raise exception 'nobody agrees to what they did to an account themselves'
            using errcode = '23514', constraint = 'proposal_needs_a_second_person';
    end if;"""
FORWARD = FUNCTION.format(more_old="old.producer_id, ", more_new="new.producer_id, ", more=OWNERS)
# Older versions know neither kind; that they were asked for and decided is in the audit log.
FORGET = """
alter table approvals_proposal disable trigger approvals_proposal_guard;
delete from approvals_proposal where kind in ('account', 'producer');
alter table approvals_proposal enable always trigger approvals_proposal_guard;
"""
BACKWARD = FORGET + FUNCTION.format(more_old="", more_new="", more="")


class Migration(migrations.Migration):
    dependencies = [
        ("approvals", "0030_owners"),
        ("auth", "0012_alter_user_first_name_max_length"),
    ]

    operations = [
        migrations.RemoveConstraint(
            model_name="proposal",
            name="proposal_is_about_one_thing",
        ),
        migrations.RemoveConstraint(
            model_name="proposal",
            name="proposal_one_a_person",
        ),
        migrations.AddField(
            model_name="proposal",
            name="producer",
            field=models.ForeignKey(
                null=True, on_delete=django.db.models.deletion.PROTECT, related_name="+", to="approvals.producer"
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
                    ("account", "An account decides again"),
                    ("producer", "Trust in a producer"),
                ],
                max_length=8,
            ),
        ),
        migrations.AddConstraint(
            model_name="proposal",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(
                        ("group", None),
                        ("kind", "policy"),
                        ("person", None),
                        ("policy__isnull", False),
                        ("producer", None),
                    ),
                    models.Q(
                        ("group", None), ("kind", "switch"), ("person", None), ("policy", None), ("producer", None)
                    ),
                    models.Q(
                        ("group", None),
                        ("kind__in", ["person", "account"]),
                        ("person__isnull", False),
                        ("policy", None),
                        ("producer", None),
                    ),
                    models.Q(
                        ("group__isnull", False),
                        ("kind", "group"),
                        ("person", None),
                        ("policy", None),
                        ("producer", None),
                    ),
                    models.Q(
                        ("group", None),
                        ("kind", "producer"),
                        ("person", None),
                        ("policy", None),
                        ("producer__isnull", False),
                    ),
                    _connector="OR",
                ),
                name="proposal_is_about_one_thing",
            ),
        ),
        migrations.AddConstraint(
            model_name="proposal",
            constraint=models.UniqueConstraint(
                condition=models.Q(("state", "open")), fields=("person", "kind"), name="proposal_one_a_person"
            ),
        ),
        migrations.AddConstraint(
            model_name="proposal",
            constraint=models.UniqueConstraint(
                condition=models.Q(("state", "open")), fields=("producer",), name="proposal_one_a_producer"
            ),
        ),
        migrations.RunSQL(FORWARD, BACKWARD),
    ]
