"""An account whose means of signing in an administrator changed decides nothing until its owner and a lead say so."""

import django.contrib.postgres.fields
from django.db import migrations, models

FORWARD = """
-- What somebody was called stays theirs: whoever submitted under an old address does not approve under a new one.
create function approvals_user_guard() returns trigger language plpgsql as $$
declare
    name text;
begin
    new.former_names := array(select distinct unnest(old.former_names || new.former_names));
    foreach name in array array[lower(old.email), lower(old.username)] loop
        if name <> '' and name not in (lower(new.email), lower(new.username)) and name <> all (new.former_names) then
            new.former_names := new.former_names || name::varchar;
        end if;
    end loop;
    if old.held_since is not null and new.held_since is null
        and (old.owner_confirmed_at is null or old.lead_agreed_at is null)
    then
        raise exception 'an account decides again once its owner has confirmed and a second person has agreed'
            using errcode = '23514', constraint = 'user_held';
    end if;
    return new;
end $$;
create trigger approvals_user_guard before update of email, username, former_names, held_since, owner_confirmed_at,
    lead_agreed_at on approvals_user for each row execute function approvals_user_guard();
alter table approvals_user enable always trigger approvals_user_guard;

create function approvals_review_owner_guard() returns trigger language plpgsql as $$
begin
    if exists (
        select from approvals_user where id in (new.reviewer_id, new.delegated_from_id) and held_since is not null
    ) then
        raise exception 'this account decides nothing until its owner has confirmed and a second person has agreed'
            using errcode = '23514', constraint = 'review_by_its_owner';
    end if;
    return new;
end $$;
create trigger approvals_review_owner_guard before insert on approvals_review
    for each row execute function approvals_review_owner_guard();
alter table approvals_review enable always trigger approvals_review_owner_guard;
"""
BACKWARD = """
drop trigger approvals_review_owner_guard on approvals_review;
drop function approvals_review_owner_guard();
drop trigger approvals_user_guard on approvals_user;
drop function approvals_user_guard();
"""


class Migration(migrations.Migration):
    dependencies = [
        ("approvals", "0029_aliases"),
    ]

    operations = [
        migrations.AddField(
            model_name="user",
            name="former_names",
            field=django.contrib.postgres.fields.ArrayField(
                base_field=models.CharField(max_length=254),
                default=list,
                editable=False,
                help_text="Addresses and user names it had before, folded; a trigger adds them and nothing takes one away.",
                size=None,
            ),
        ),
        migrations.AddField(
            model_name="user",
            name="held_since",
            field=models.DateTimeField(
                editable=False,
                help_text="When an administrator last changed what its owner signs in with; empty once it decides again.",
                null=True,
            ),
        ),
        migrations.AddField(
            model_name="user",
            name="held_for",
            field=django.contrib.postgres.fields.ArrayField(
                base_field=models.CharField(max_length=40),
                default=list,
                editable=False,
                help_text="What was changed.",
                size=None,
            ),
        ),
        migrations.AddField(
            model_name="user",
            name="owner_confirmed_at",
            field=models.DateTimeField(editable=False, null=True),
        ),
        migrations.AddField(
            model_name="user",
            name="lead_agreed_at",
            field=models.DateTimeField(editable=False, null=True),
        ),
        migrations.AddConstraint(
            model_name="user",
            constraint=models.CheckConstraint(
                condition=models.Q(("lead_agreed_at", None), ("held_since__isnull", False), _connector="OR"),
                name="user_agreed_while_held",
            ),
        ),
        migrations.RunSQL(FORWARD, BACKWARD),
    ]
