CREATE OR REPLACE FUNCTION public.approvals_tally_fold(most integer)
 RETURNS void
 LANGUAGE sql
 SECURITY DEFINER
 SET search_path TO 'public', 'pg_temp'
AS $function$
    with taken as (
        delete from approvals_tallychange
        where ctid = any(array(select ctid from approvals_tallychange limit most)) returning *
    )
    merge into approvals_tally tally
    using (
        select part.series, part.at, part.name, part.number, sum(part.amount) as amount
        from taken change, approvals_tally_of(change) part group by 1, 2, 3, 4 having sum(part.amount) <> 0
    ) more
    on (tally.series, tally.at, tally.name, tally.number) = (more.series, more.at, more.name, more.number)
    when matched and tally.amount + more.amount = 0 then delete
    when matched then update set amount = tally.amount + more.amount
    when not matched then insert values (more.series, more.at, more.name, more.number, more.amount);
$function$;
