CREATE OR REPLACE FUNCTION public.approvals_delegation_guard()
 RETURNS trigger
 LANGUAGE plpgsql
AS $function$
begin
    if tg_op = 'DELETE' or old.ended_at is not null
        or (to_jsonb(old) - 'ended_at') is distinct from (to_jsonb(new) - 'ended_at')
    then
        raise exception 'a delegation can only be ended, once' using errcode = '42501';
    end if;
    return new;
end $function$;
CREATE TRIGGER approvals_delegation_guard BEFORE DELETE OR UPDATE ON approvals_delegation FOR EACH ROW EXECUTE FUNCTION approvals_delegation_guard();
