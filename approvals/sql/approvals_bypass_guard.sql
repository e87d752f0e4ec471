CREATE OR REPLACE FUNCTION public.approvals_bypass_guard()
 RETURNS trigger
 LANGUAGE plpgsql
AS $function$
begin
    if tg_op = 'INSERT' then
        if new.state <> 'asked' then
            raise exception 'a bypass begins by being asked for'
                using errcode = '23514', constraint = 'bypass_transition';
        end if;
        return new;
    end if;
    if tg_op = 'DELETE' or (old.id, old.holder_id, old.decision_id, old.ecosystem, old.package_name, old.reason_id,
        old.seconds, old.asked_by_id, old.asked_at) is distinct from (new.id, new.holder_id, new.decision_id,
        new.ecosystem, new.package_name, new.reason_id, new.seconds, new.asked_by_id, new.asked_at)
        or (old.state <> 'asked' and (old.decided_by_id, old.decided_at, old.ends_at)
            is distinct from (new.decided_by_id, new.decided_at, new.ends_at))
    then
        raise exception 'what was asked and granted never changes' using errcode = '42501';
    end if;
    if not (old.state = 'asked' and new.state in ('granted', 'refused', 'withdrawn')
            or old.state = 'granted' and new.state = 'ended')
    then
        raise exception 'a bypass cannot go from % to %', old.state, new.state
            using errcode = '23514', constraint = 'bypass_transition';
    end if;
    if new.state = 'granted' and new.ends_at <> new.decided_at + new.seconds * interval '1 second' then
        raise exception 'a bypass runs for the time that was asked'
            using errcode = '23514', constraint = 'bypass_time_as_asked';
    end if;
    return new;
end $function$;
CREATE TRIGGER approvals_bypass_guard BEFORE INSERT OR DELETE OR UPDATE ON approvals_bypass FOR EACH ROW EXECUTE FUNCTION approvals_bypass_guard();
