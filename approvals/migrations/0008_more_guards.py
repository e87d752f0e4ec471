"""More that the database refuses: reviews of what is decided, revocations of what is not approved, a lost default."""

from django.db import migrations

FORWARD = """
create function approvals_review_insert_guard() returns trigger language plpgsql as $$
begin
    if not exists (select from approvals_decision where id = new.decision_id and status = 'pending') then
        raise exception 'only a pending patch is reviewed' using errcode = '23514', constraint = 'review_of_pending';
    end if;
    return new;
end $$;
create trigger approvals_review_insert_guard before insert on approvals_review
    for each row execute function approvals_review_insert_guard();
alter table approvals_review enable always trigger approvals_review_insert_guard;

create function approvals_revocation_insert_guard() returns trigger language plpgsql as $$
begin
    if not exists (
        select from approvals_decision where id = new.decision_id and status in ('approved', 'auto_approved')
    ) then
        raise exception 'only an approval is revoked' using errcode = '23514', constraint = 'revocation_of_approval';
    end if;
    return new;
end $$;
create trigger approvals_revocation_insert_guard before insert on approvals_revocation
    for each row execute function approvals_revocation_insert_guard();
alter table approvals_revocation enable always trigger approvals_revocation_insert_guard;

-- Every patch is covered: the default policy stays, stays the default, and stays last.
create function approvals_policy_guard() returns trigger language plpgsql as $$
begin
    if tg_op = 'DELETE' then
        if old.is_default then
            raise exception 'the default policy is never removed' using errcode = '23514', constraint = 'policy_default';
        end if;
        return old;
    end if;
    if tg_op = 'UPDATE' and old.is_default and not new.is_default then
        raise exception 'the default policy stays the default' using errcode = '23514', constraint = 'policy_default';
    end if;
    if exists (
        select from approvals_policy other where other.id <> new.id and (
            (new.is_default and other.position >= new.position)
            or (other.is_default and other.position <= new.position))
    ) then
        raise exception 'the default policy comes last' using errcode = '23514', constraint = 'policy_default_last';
    end if;
    return new;
end $$;
create trigger approvals_policy_guard before insert or update or delete on approvals_policy
    for each row execute function approvals_policy_guard();
alter table approvals_policy enable always trigger approvals_policy_guard;
"""

BACKWARD = """
drop trigger approvals_policy_guard on approvals_policy;
drop function approvals_policy_guard();
drop trigger approvals_revocation_insert_guard on approvals_revocation;
drop function approvals_revocation_insert_guard();
drop trigger approvals_review_insert_guard on approvals_review;
drop function approvals_review_insert_guard();
"""


class Migration(migrations.Migration):
    dependencies = [("approvals", "0007_more_checks")]
    operations = [migrations.RunSQL(FORWARD, BACKWARD)]
