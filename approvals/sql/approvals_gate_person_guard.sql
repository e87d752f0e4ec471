CREATE OR REPLACE FUNCTION public.approvals_gate_person_guard()
 RETURNS trigger
 LANGUAGE plpgsql
AS $function$
begin
    if exists (select from approvals_patch where id = new.patch_id and kind = 'gate') and not exists (
        select from approvals_policyversion version
            where version.id = new.policy_version_id and version.gate_conditions and new.channel = 'intake'
    ) then
        raise exception 'a gate is approved by people' using errcode = '23514', constraint = 'gate_approved_by_person';
    end if;
    return new;
end $function$;
CREATE TRIGGER approvals_gate_person_guard BEFORE UPDATE ON approvals_decision FOR EACH ROW WHEN (new.status::text = 'auto_approved'::text AND old.status::text <> 'auto_approved'::text) EXECUTE FUNCTION approvals_gate_person_guard();
