CREATE OR REPLACE FUNCTION public.audit_context_erase_only()
 RETURNS trigger
 LANGUAGE plpgsql
AS $function$
begin
    if tg_op = 'DELETE' or new.entry_id <> old.entry_id
        or new.actor_label not in (old.actor_label, '') or new.object_label not in (old.object_label, '')
        or (new.ip_address is not null and new.ip_address is distinct from old.ip_address)
        or new.user_agent not in (old.user_agent, '')
        or new.aside not in (old.aside, '') or new.salt not in (old.salt, '')
    then
        raise exception 'audit_context can only be erased' using errcode = '42501';
    end if;
    return new;
end $function$;
CREATE TRIGGER audit_context_erase BEFORE DELETE OR UPDATE ON audit_context FOR EACH ROW EXECUTE FUNCTION audit_context_erase_only();
