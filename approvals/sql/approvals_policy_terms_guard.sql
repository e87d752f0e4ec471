CREATE OR REPLACE FUNCTION public.approvals_policy_terms_guard()
 RETURNS trigger
 LANGUAGE plpgsql
AS $function$
begin
    if not exists (
        select from approvals_policyversion version where version.id = new.policy_version_id
            and new.required_approvals >= version.required_approvals and new.required_groups @> version.required_groups
    ) then
        raise exception 'a decision asks for all that its policy asks for'
            using errcode = '23514', constraint = 'decision_asks_as_its_policy';
    end if;
    return new;
end $function$;
CREATE TRIGGER approvals_policy_terms_guard BEFORE UPDATE ON approvals_decision FOR EACH ROW WHEN (new.policy_version_id <> old.policy_version_id) EXECUTE FUNCTION approvals_policy_terms_guard();
CREATE TRIGGER approvals_policy_terms_insert_guard BEFORE INSERT ON approvals_decision FOR EACH ROW EXECUTE FUNCTION approvals_policy_terms_guard();
