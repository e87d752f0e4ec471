CREATE OR REPLACE FUNCTION public.approvals_revocation_insert_guard()
 RETURNS trigger
 LANGUAGE plpgsql
AS $function$
begin
    if not exists (
        select from approvals_decision where id = new.decision_id and status in ('approved', 'auto_approved')
    ) then
        raise exception 'only an approval is revoked' using errcode = '23514', constraint = 'revocation_of_approval';
    end if;
    return new;
end $function$;
CREATE TRIGGER approvals_revocation_insert_guard BEFORE INSERT ON approvals_revocation FOR EACH ROW EXECUTE FUNCTION approvals_revocation_insert_guard();
