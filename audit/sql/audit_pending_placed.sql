CREATE OR REPLACE FUNCTION public.audit_pending_placed()
 RETURNS trigger
 LANGUAGE plpgsql
AS $function$
begin
    if exists (select from gone where not exists (select from audit_leaf leaf where leaf.entry_id = gone.entry_id)) then
        raise exception 'an entry leaves the outbox for its place in the log' using errcode = '42501';
    end if;
    return null;
end $function$;
CREATE TRIGGER audit_pending_placed AFTER DELETE ON audit_pending REFERENCING OLD TABLE AS gone FOR EACH STATEMENT EXECUTE FUNCTION audit_pending_placed();
