CREATE OR REPLACE FUNCTION public.audit_words(label text)
 RETURNS tsvector
 LANGUAGE sql
 IMMUTABLE PARALLEL SAFE STRICT
AS $function$
    select to_tsvector('simple'::regconfig, regexp_replace(lower(label), '[^[:alnum:]]+', ' ', 'g'));
$function$;
