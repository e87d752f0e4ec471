CREATE OR REPLACE FUNCTION public.approvals_gate_insert_guard()
 RETURNS trigger
 LANGUAGE plpgsql
AS $function$
begin
    if not exists (
        select from approvals_patch where id = new.patch_id and kind = 'gate'
            and sha256 = encode(sha256(convert_to(new.document, 'UTF8')), 'hex')
    ) then
        raise exception 'a gate is the document of its digest' using errcode = '23514', constraint = 'gate_digest';
    end if;
    return new;
end $function$;
CREATE TRIGGER approvals_gate_insert_guard BEFORE INSERT ON approvals_gate FOR EACH ROW EXECUTE FUNCTION approvals_gate_insert_guard();
