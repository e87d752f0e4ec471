CREATE OR REPLACE FUNCTION public.approvals_proposal_guard()
 RETURNS trigger
 LANGUAGE plpgsql
AS $function$
begin
    if tg_op = 'DELETE' or old.state <> 'open'
        or (old.kind, old.policy_id, old.person_id, old.group_id, old.producer_id, old.payload, old.base, old.loosens,
            old.reason_id, old.proposed_by_id, old.proposed_at) is distinct from (new.kind, new.policy_id,
            new.person_id, new.group_id, new.producer_id, new.payload, new.base, new.loosens, new.reason_id,
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
    end if;
    if new.state = 'applied' and exists (
        select from approvals_user where id in (new.decided_by_id, new.proposed_by_id) and held_since is not null
    ) then
        raise exception 'an account that waits for its owner agrees to nothing, and asks for nothing'
            using errcode = '23514', constraint = 'proposal_by_its_owner';
    end if;
    if new.state = 'applied' and new.kind = 'account' and new.payload -> 'by' @> to_jsonb(new.decided_by_id) then
        raise exception 'nobody agrees to what they did to an account themselves'
            using errcode = '23514', constraint = 'proposal_needs_a_second_person';
    end if;
    if new.state = 'applied' and not approvals_may_agree(new.kind, new.decided_by_id) then
        raise exception 'who agrees has the right to'
            using errcode = '23514', constraint = 'proposal_by_who_may_agree';
    end if;
    -- The whole transaction's, whatever savepoint this is in: never given twice, and nobody but this trigger writes it.
    new.applied_in := case when new.state = 'applied' then pg_current_xact_id()::text::bigint end;
    return new;
end $function$;
CREATE TRIGGER approvals_proposal_guard BEFORE DELETE OR UPDATE ON approvals_proposal FOR EACH ROW EXECUTE FUNCTION approvals_proposal_guard();
