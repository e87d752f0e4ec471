CREATE OR REPLACE FUNCTION public.audit_chain_end(wanted_type text, wanted_id text)
 RETURNS TABLE(next_n integer, leaf text)
 LANGUAGE sql
 STABLE PARALLEL SAFE
AS $function$
    select entry.object_n + 1, encode(entry.leaf_hash, 'hex')
    from audit_entry entry
    where entry.object_type = wanted_type and entry.object_id = wanted_id and entry.object_n is not null
    order by entry.object_n desc limit 1;
$function$;
