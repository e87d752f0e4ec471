"""What plain SQL could still do past the services: ask a pending decision for less, approve without reviews, start
automatic approval alone, propose what is applied already, tell deployers what is not so. And what only triggers write
is theirs: they run as their owner, so that the role of web and worker need not write there."""

from django.db import migrations

OWN = ["approvals_waiting_keep", "approvals_waiting_follow", "approvals_voice_follow"]
TRIGGERS = {
    "approvals_pending_guard": "approvals_decision",
    "approvals_policy_terms_guard": "approvals_decision",
    "approvals_policy_terms_insert_guard": "approvals_decision",
    "approvals_approval_guard": "approvals_decision",
    "approvals_killswitch_guard": "approvals_killswitch",
    "approvals_proposal_insert_guard": "approvals_proposal",
    "approvals_policy_current_guard": "approvals_policy",
    "approvals_feedentry_guard": "approvals_feedentry",
}

FORWARD = (
    """
create function approvals_pending_guard() returns trigger language plpgsql as $$
begin
    raise exception 'a pending decision never asks for less than it did'
        using errcode = '23514', constraint = 'decision_asks_no_less';
end $$;
-- Another policy comes with a higher priority only.
create trigger approvals_pending_guard before update on approvals_decision for each row when (
    old.status = 'pending' and (
        new.required_approvals < old.required_approvals
        or not new.required_groups @> old.required_groups
        or new.priority < old.priority
        or (new.policy_version_id <> old.policy_version_id and new.priority = old.priority)
        or (new.expire_action = 'approve' and old.expire_action <> 'approve')
        or new.confidence <> old.confidence
    )
) execute function approvals_pending_guard();

create function approvals_policy_terms_guard() returns trigger language plpgsql as $$
begin
    if not exists (
        select from approvals_policyversion version where version.id = new.policy_version_id
            and new.required_approvals >= version.required_approvals and new.required_groups @> version.required_groups
    ) then
        raise exception 'a decision asks for all that its policy asks for'
            using errcode = '23514', constraint = 'decision_asks_as_its_policy';
    end if;
    return new;
end $$;
create trigger approvals_policy_terms_insert_guard before insert on approvals_decision
    for each row execute function approvals_policy_terms_guard();
create trigger approvals_policy_terms_guard before update on approvals_decision for each row
    when (new.policy_version_id <> old.policy_version_id) execute function approvals_policy_terms_guard();

create function approvals_approval_guard() returns trigger language plpgsql as $$
begin
    if new.required_approvals > (
        select count(*) from approvals_review review
        where review.decision_id = new.id and review.verdict = 'approve' and review.withdrawn_at is null
    ) then
        raise exception 'an approval needs the reviews it counts'
            using errcode = '23514', constraint = 'decision_approved_by_reviews';
    end if;
    return null;
end $$;
-- After, so that the checks of the row itself speak first.
create trigger approvals_approval_guard after update on approvals_decision for each row
    when (old.status = 'pending' and new.status = 'approved' and new.bypass_id is null)
    execute function approvals_approval_guard();

create function approvals_killswitch_guard() returns trigger language plpgsql as $$
begin
    if tg_op = 'DELETE' then
        raise exception 'the switch is never removed' using errcode = '42501';
    end if;
    -- The moment is the proposal's own, so that each starts automatic approval once.
    if old.stopped and not new.stopped and new.second_person_required and (
        new.changed_at <= old.changed_at or not exists (
            select from approvals_proposal
            where kind = 'switch' and state = 'applied' and decided_at = new.changed_at
        )
    ) then
        raise exception 'one person stops automatic approval, two start it'
            using errcode = '23514', constraint = 'kill_switch_needs_a_second_person';
    end if;
    return new;
end $$;
create trigger approvals_killswitch_guard before update or delete on approvals_killswitch
    for each row execute function approvals_killswitch_guard();

create function approvals_proposal_insert_guard() returns trigger language plpgsql as $$
begin
    raise exception 'a proposal begins open' using errcode = '23514', constraint = 'proposal_begins_open';
end $$;
create trigger approvals_proposal_insert_guard before insert on approvals_proposal for each row
    when (new.state <> 'open') execute function approvals_proposal_insert_guard();

create function approvals_policy_current_guard() returns trigger language plpgsql as $$
begin
    if not exists (
        select from approvals_policyversion version where version.id = new.current_id and version.policy_id = new.id
            and version.version > coalesce(
                (select version from approvals_policyversion where id = old.current_id), 0)
    ) then
        raise exception 'a policy goes on to a newer version of its own, never back'
            using errcode = '23514', constraint = 'policy_current_newer';
    end if;
    return new;
end $$;
create trigger approvals_policy_current_guard before update on approvals_policy for each row
    when (new.current_id is distinct from old.current_id) execute function approvals_policy_current_guard();

create function approvals_feedentry_guard() returns trigger language plpgsql as $$
begin
    -- An approval that was revoked before its place came is told first all the same.
    if not exists (
        select from approvals_decision where id = new.decision_id and (
            (status = new.status and status <> 'pending')
            or (status = 'revoked' and new.status in ('approved', 'auto_approved')))
    ) then
        raise exception 'the feed tells what was decided' using errcode = '23514', constraint = 'feed_tells_the_truth';
    end if;
    return new;
end $$;
create trigger approvals_feedentry_guard before insert on approvals_feedentry
    for each row execute function approvals_feedentry_guard();
"""
    + "".join(f"alter table {table} enable always trigger {name};\n" for name, table in TRIGGERS.items())
    # Temporary tables last: else a session could put its own in the place of ours.
    + "".join(f"alter function {name}() security definer set search_path = public, pg_temp;\n" for name in OWN)
    + "revoke execute on function approvals_waiting_refill() from public;\n"
)
BACKWARD = (
    "grant execute on function approvals_waiting_refill() to public;\n"
    + "".join(f"alter function {name}() security invoker reset search_path;\n" for name in OWN)
    + "".join(f"drop trigger {name} on {table};\n" for name, table in TRIGGERS.items())
    + "".join(f"drop function {name}();\n" for name in TRIGGERS if name != "approvals_policy_terms_insert_guard")
)


class Migration(migrations.Migration):
    dependencies = [("approvals", "0035_switch_second_person")]
    operations = [migrations.RunSQL(FORWARD, BACKWARD)]
