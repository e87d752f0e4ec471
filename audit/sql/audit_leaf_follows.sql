CREATE OR REPLACE FUNCTION public.audit_leaf_follows()
 RETURNS trigger
 LANGUAGE plpgsql
AS $function$
declare
    first bigint; last bigint; placed_now bigint; before bigint;
begin
    select min(seq), max(seq), count(*) into first, last, placed_now from placed;
    if placed_now = 0 then
        return null;
    end if;
    select coalesce(max(seq), -1) into before from audit_leaf where seq < first;
    if first <> before + 1 or last - first + 1 <> placed_now
        or exists (select from placed join audit_pending pending on pending.entry_id = placed.entry_id)
    then
        raise exception 'places in the log follow each other' using errcode = '42501';
    end if;
    return null;
end $function$;
CREATE TRIGGER audit_leaf_follows AFTER INSERT ON audit_leaf REFERENCING NEW TABLE AS placed FOR EACH STATEMENT EXECUTE FUNCTION audit_leaf_follows();
