CREATE OR REPLACE FUNCTION public.approvals_took(took interval)
 RETURNS integer
 LANGUAGE sql
 IMMUTABLE PARALLEL SAFE STRICT
AS $function$
    select floor(64 * ln(1 + greatest(extract(epoch from took)::float8, 0)) / ln(2::float8))::integer;
$function$;
