CREATE OR REPLACE FUNCTION public.approvals_tally_refill()
 RETURNS TABLE(series text, at timestamp with time zone, name text, number integer, kept bigint, counted bigint)
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'public', 'pg_temp'
AS $function$
#variable_conflict use_column
begin
    lock table approvals_tally in share row exclusive mode;
    return query
    with difference as materialized (
        select series, at, name, number, sum(kept)::bigint as kept, sum(counted)::bigint as counted
        from (
            select series, at, name, number, amount as kept, 0 as counted from approvals_tally
            union all
            select part.series, part.at, part.name, part.number, part.amount, 0
            from approvals_tallychange change, approvals_tally_of(change) part
            union all
            select part.series, part.at, part.name, part.number, 0, part.amount
            from approvals_counted counted, approvals_tally_of(row(counted.*)::approvals_tallychange) part
        ) every
        group by 1, 2, 3, 4 having sum(kept) <> sum(counted)
    ), mended as (
        insert into approvals_tally as tally
        select series, at, name, number, counted - kept from difference order by 1, 2, 3, 4
        on conflict (series, at, name, number) do update set amount = tally.amount + excluded.amount
    )
    select * from difference order by series, at, name, number;
    delete from approvals_tally where amount = 0;
end $function$;
