CREATE OR REPLACE FUNCTION public.approvals_auto_approval_guard()
 RETURNS trigger
 LANGUAGE plpgsql
AS $function$
begin
    if exists (select from approvals_killswitch where stopped) then
        raise exception 'automatic approval is stopped' using errcode = '23514', constraint = 'decision_kill_switch';
    end if;
    if not exists (
        select from approvals_policyversion version where version.id = new.policy_version_id
            and (new.channel = 'intake' and version.auto_approval = 'enforce'
                 or new.channel = 'timer' and version.expire_action = 'approve')
    ) then
        raise exception 'this policy approves nothing without a person'
            using errcode = '23514', constraint = 'decision_auto_approval_enforced';
    end if;
    return new;
end $function$;
CREATE TRIGGER approvals_auto_approval_guard BEFORE UPDATE ON approvals_decision FOR EACH ROW WHEN (new.status::text = 'auto_approved'::text AND old.status::text = 'pending'::text) EXECUTE FUNCTION approvals_auto_approval_guard();
