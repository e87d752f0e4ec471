"""Levels of escalation, acknowledgements, delegations; the shipped policies, whose columns are complete here."""

import django.contrib.postgres.fields
import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models

from ._shipped import install_defaults


FORWARD = """
create trigger approvals_acknowledgement_no_change before update or delete on approvals_acknowledgement
    for each row execute function approvals_refuse_change();
alter table approvals_acknowledgement enable always trigger approvals_acknowledgement_no_change;
create trigger approvals_acknowledgement_no_truncate before truncate on approvals_acknowledgement
    for each statement execute function approvals_refuse_change();
alter table approvals_acknowledgement enable always trigger approvals_acknowledgement_no_truncate;

-- Who stood in for whom is what makes a review in somebody's name lawful: it may end early, and nothing else.
create function approvals_delegation_guard() returns trigger language plpgsql as $$
begin
    if tg_op = 'DELETE' or old.ended_at is not null
        or (to_jsonb(old) - 'ended_at') is distinct from (to_jsonb(new) - 'ended_at')
    then
        raise exception 'a delegation can only be ended, once' using errcode = '42501';
    end if;
    return new;
end $$;
create trigger approvals_delegation_guard before update or delete on approvals_delegation
    for each row execute function approvals_delegation_guard();
alter table approvals_delegation enable always trigger approvals_delegation_guard;
create trigger approvals_delegation_no_truncate before truncate on approvals_delegation
    for each statement execute function approvals_refuse_change();
alter table approvals_delegation enable always trigger approvals_delegation_no_truncate;

-- A review in somebody's name needs a delegation from them to the reviewer that runs when it is given.
create function approvals_review_name_guard() returns trigger language plpgsql as $$
begin
    if new.delegated_from_id is not null and not exists (
        select from approvals_delegation
        where person_id = new.delegated_from_id and delegate_id = new.reviewer_id
          and starts_at <= new.created_at and ends_at > new.created_at
          and (ended_at is null or ended_at > new.created_at)
    ) then
        raise exception 'nobody asked this person to stand in' using errcode = '23514', constraint = 'review_delegated';
    end if;
    return new;
end $$;
create trigger approvals_review_name_guard before insert on approvals_review
    for each row execute function approvals_review_name_guard();
alter table approvals_review enable always trigger approvals_review_name_guard;
"""

BACKWARD = """
drop trigger approvals_review_name_guard on approvals_review;
drop function approvals_review_name_guard();
drop trigger approvals_delegation_no_truncate on approvals_delegation;
drop trigger approvals_delegation_guard on approvals_delegation;
drop function approvals_delegation_guard();
drop trigger approvals_acknowledgement_no_truncate on approvals_acknowledgement;
drop trigger approvals_acknowledgement_no_change on approvals_acknowledgement;
"""


class Migration(migrations.Migration):
    dependencies = [
        ("approvals", "0014_gates"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.AddField(
            model_name="decision",
            name="asked",
            field=django.contrib.postgres.fields.ArrayField(
                base_field=models.CharField(max_length=150),
                default=list,
                help_text="Groups and people the escalations asked so far.",
                size=None,
            ),
        ),
        migrations.AddField(
            model_name="decision",
            name="escalation_next",
            field=models.PositiveSmallIntegerField(
                default=0, help_text="Place of the level that comes next in the policy's further levels."
            ),
        ),
        migrations.CreateModel(
            name="Acknowledgement",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("deployer", models.CharField(max_length=100)),
                ("acknowledged_at", models.DateTimeField()),
            ],
        ),
        migrations.CreateModel(
            name="Delegation",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("starts_at", models.DateTimeField()),
                ("ends_at", models.DateTimeField()),
                ("created_at", models.DateTimeField()),
                ("ended_at", models.DateTimeField(help_text="When the person ended it before its time.", null=True)),
            ],
        ),
        migrations.AddField(
            model_name="review",
            name="delegated_from",
            field=models.ForeignKey(
                help_text="The absent person in whose name it was given.",
                null=True,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="+",
                to=settings.AUTH_USER_MODEL,
            ),
        ),
        migrations.AddConstraint(
            model_name="review",
            constraint=models.UniqueConstraint(
                condition=models.Q(("delegated_from__isnull", False), ("withdrawn_at__isnull", True)),
                fields=("decision", "delegated_from"),
                name="review_once_in_a_name",
            ),
        ),
        migrations.AddConstraint(
            model_name="review",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(("delegated_from", models.F("reviewer")), _negated=True),
                    ("delegated_from__isnull", True),
                    _connector="OR",
                ),
                name="review_in_anothers_name",
            ),
        ),
        migrations.AddField(
            model_name="acknowledgement",
            name="feed_entry",
            field=models.ForeignKey(
                on_delete=django.db.models.deletion.PROTECT, related_name="acknowledgements", to="approvals.feedentry"
            ),
        ),
        migrations.AddField(
            model_name="acknowledgement",
            name="token",
            field=models.ForeignKey(
                on_delete=django.db.models.deletion.PROTECT, related_name="+", to="approvals.apitoken"
            ),
        ),
        migrations.AddField(
            model_name="delegation",
            name="delegate",
            field=models.ForeignKey(
                on_delete=django.db.models.deletion.PROTECT, related_name="stands_in", to=settings.AUTH_USER_MODEL
            ),
        ),
        migrations.AddField(
            model_name="delegation",
            name="person",
            field=models.ForeignKey(
                on_delete=django.db.models.deletion.PROTECT, related_name="delegations", to=settings.AUTH_USER_MODEL
            ),
        ),
        migrations.AddField(
            model_name="delegation",
            name="reason",
            field=models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name="+", to="approvals.text"),
        ),
        migrations.AddConstraint(
            model_name="acknowledgement",
            constraint=models.UniqueConstraint(fields=("feed_entry", "deployer"), name="acknowledged_once"),
        ),
        migrations.AddConstraint(
            model_name="delegation",
            constraint=models.CheckConstraint(
                condition=models.Q(("ends_at__gt", models.F("starts_at"))), name="delegation_has_a_length"
            ),
        ),
        migrations.AddConstraint(
            model_name="delegation",
            constraint=models.CheckConstraint(
                condition=models.Q(("person", models.F("delegate")), _negated=True), name="delegation_to_another"
            ),
        ),
        migrations.RunSQL(FORWARD, BACKWARD),
        migrations.RunPython(lambda apps, editor: install_defaults(apps), migrations.RunPython.noop),
    ]
