CREATE OR REPLACE FUNCTION public.approvals_policy_loosened_guard()
 RETURNS trigger
 LANGUAGE plpgsql
AS $function$
declare
    covered boolean := tg_op = 'UPDATE' and old.enabled and old.current_id is not null;
    covers boolean := new.enabled and new.current_id is not null;
begin
    if not covered and not covers or not (select second_person_required from approvals_killswitch) or exists (
        select from approvals_proposal where kind = 'policy' and policy_id = new.id and state = 'applied'
            and applied_in = pg_current_xact_id()::text::bigint
    ) then
        return new;
    end if;
    if covered <> covers or new.position <> old.position or (
        select approvals_loosens(before, after) from approvals_policyversion before, approvals_policyversion after
        where before.id = old.current_id and after.id = new.current_id
    ) then
        raise exception 'a policy lets more through once a second person has agreed to it'
            using errcode = '23514', constraint = 'policy_loosened_by_two';
    end if;
    return new;
end $function$;
CREATE TRIGGER approvals_policy_loosened_guard BEFORE INSERT OR UPDATE ON approvals_policy FOR EACH ROW EXECUTE FUNCTION approvals_policy_loosened_guard();
