CREATE OR REPLACE FUNCTION public.approvals_alias_keep()
 RETURNS trigger
 LANGUAGE plpgsql
AS $function$
begin
    new.alias_producer_id := case when new.alias is not null then
        (select producer_id from approvals_patch where id = new.patch_id) end;
    return new;
end $function$;
CREATE TRIGGER approvals_alias_keep BEFORE INSERT OR UPDATE OF alias, alias_producer_id, patch_id ON approvals_decision FOR EACH ROW EXECUTE FUNCTION approvals_alias_keep();
