CREATE OR REPLACE FUNCTION public.approvals_decision_guard()
 RETURNS trigger
 LANGUAGE plpgsql
AS $function$
begin
    if tg_op = 'INSERT' then
        if new.status <> 'pending' then
            raise exception 'a decision begins pending' using errcode = '23514', constraint = 'decision_transition';
        end if;
        return new;
    end if;
    if tg_op = 'DELETE' then
        raise exception 'decisions are never deleted' using errcode = '42501';
    end if;
    if (old.id, old.decision_id, old.patch_id, old.created_at)
        is distinct from (new.id, new.decision_id, new.patch_id, new.created_at)
        or (old.alias is not null and new.alias is distinct from old.alias)
    then
        raise exception 'a decision keeps its identity' using errcode = '23514', constraint = 'decision_identity';
    end if;
    if old.status <> new.status and not (
        (old.status = 'pending' and new.status in ('approved', 'auto_approved', 'rejected', 'changes_requested',
                                                   'expired', 'cancelled', 'superseded'))
        or (old.status in ('approved', 'auto_approved') and new.status = 'revoked')
    ) then
        raise exception 'a decision cannot go from % to %', old.status, new.status
            using errcode = '23514', constraint = 'decision_transition';
    end if;
    if old.status <> 'pending' and (old.decided_by_kind, old.decided_by, old.decided_by_user_id, old.decided_at,
        old.channel, old.cause, old.reason_id, old.category, old.policy_version_id, old.trace, old.priority,
        old.required_approvals, old.required_groups, old.approvals)
        is distinct from (new.decided_by_kind, new.decided_by, new.decided_by_user_id, new.decided_at,
        new.channel, new.cause, new.reason_id, new.category, new.policy_version_id, new.trace, new.priority,
        new.required_approvals, new.required_groups, new.approvals)
    then
        raise exception 'who decided what, when and why never changes'
            using errcode = '23514', constraint = 'decision_outcome_immutable';
    end if;
    if new.status = 'revoked' and old.status <> 'revoked'
        and not exists (select from approvals_revocation where decision_id = new.id)
    then
        raise exception 'a revocation needs who, when and why'
            using errcode = '23514', constraint = 'decision_revocation';
    end if;
    return new;
end $function$;
CREATE TRIGGER approvals_decision_guard BEFORE INSERT OR DELETE OR UPDATE ON approvals_decision FOR EACH ROW EXECUTE FUNCTION approvals_decision_guard();
