CREATE OR REPLACE FUNCTION public.approvals_policy_current_guard()
 RETURNS trigger
 LANGUAGE plpgsql
AS $function$
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
end $function$;
CREATE TRIGGER approvals_policy_current_guard BEFORE UPDATE ON approvals_policy FOR EACH ROW WHEN (new.current_id IS DISTINCT FROM old.current_id) EXECUTE FUNCTION approvals_policy_current_guard();
