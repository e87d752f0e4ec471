CREATE OR REPLACE FUNCTION public.audit_about(words tsquery)
 RETURNS SETOF bigint
 LANGUAGE sql
 STABLE
 SET enable_seqscan TO 'off'
 SET enable_indexscan TO 'off'
AS $function$
    select entry_id from audit_context where audit_words(object_label) @@ words;
$function$;
