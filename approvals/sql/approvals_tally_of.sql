CREATE OR REPLACE FUNCTION public.approvals_tally_of(change approvals_tallychange)
 RETURNS TABLE(series text, at timestamp with time zone, name text, number integer, amount bigint)
 LANGUAGE sql
 IMMUTABLE PARALLEL SAFE
AS $function$
    select part.series, part.at, part.name, part.number, part.amount * change.amount
    from (
        select change.decided_by_kind = 'human' and change.status <> 'cancelled' as by_people,
            change.decided_at - change.created_at as took, change.sla_due_at < '9999-12-31 00:00+00' as has_sla,
            change.status <> 'pending' as ended, change.decided_at > change.sla_due_at as late
    ) is_so, lateral (
        -- by the day of arrival, and all days together
        select of_day.series, span.at, of_day.name, of_day.number, of_day.amount
        from (values (date_bin('1 day', change.created_at, '2000-01-01 00:00+00')), ('-infinity')) span (at), (values
            ('status', change.status, change.priority::integer, 1::bigint, change.status is not null),
            ('took', '', approvals_took(took), 1, by_people),
            ('microseconds', '', 0, (extract(epoch from took) * 1000000)::bigint, by_people),
            ('agrees', change.agrees::text, 0, 1, change.agrees is not null),
            ('sla', case when late then 'missed' else 'met' end, change.priority, 1,
                has_sla and ended and (by_people or late)),
            ('due', '', (floor(extract(epoch from change.sla_due_at) / 3600) * 10)::integer + change.priority, 1,
                has_sla and not ended)
        ) of_day (series, name, number, amount, counts)
        where of_day.counts
        union all
        -- by the quarter of an hour of the decision, at which a day begins everywhere, and by its day
        select 'outcome', date_bin('15 minutes', change.decided_at, '2000-01-01 00:00+00'),
            case when change.status = 'revoked' then change.decided_by_kind else change.status end, 0, 1
        where ended
        union all
        select 'minutes', date_bin('1 day', change.decided_at, '2000-01-01 00:00+00'), '',
            width_bucket(extract(epoch from took)::float8 / 60, '{1,5,10,15,30,60,240,1440}'::float8[]), 1
        where ended and change.decided_by_kind = 'human'
    ) part;
$function$;
