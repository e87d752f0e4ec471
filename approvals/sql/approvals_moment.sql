CREATE OR REPLACE FUNCTION public.approvals_moment(at timestamp with time zone)
 RETURNS text
 LANGUAGE sql
 STABLE
AS $function$
    select case
        when at = '9999-12-31 00:00Z' then null
        when date_trunc('second', at) = at then to_char(at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"')
        else to_char(at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"')
    end
$function$;
