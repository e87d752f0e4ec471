CREATE OR REPLACE FUNCTION public.approvals_text_guard()
 RETURNS trigger
 LANGUAGE plpgsql
AS $function$
begin
    if tg_op = 'DELETE' or new.body is not null or (old.id, old.salt) is distinct from (new.id, new.salt) then
        raise exception 'text can only be erased' using errcode = '42501';
    end if;
    return new;
end $function$;
CREATE TRIGGER approvals_text_guard BEFORE DELETE OR UPDATE ON approvals_text FOR EACH ROW EXECUTE FUNCTION approvals_text_guard();
