CREATE OR REPLACE FUNCTION public.approvals_killswitch_guard()
 RETURNS trigger
 LANGUAGE plpgsql
AS $function$
begin
    if tg_op = 'DELETE' then
        raise exception 'the switch is never removed' using errcode = '42501';
    end if;
    -- The moment is the proposal's own, so that each starts automatic approval once.
    if old.stopped and not new.stopped and new.second_person_required and (
        new.changed_at <= old.changed_at or not exists (
            select from approvals_proposal
            where kind = 'switch' and state = 'applied' and decided_at = new.changed_at
        )
    ) then
        raise exception 'one person stops automatic approval, two start it'
            using errcode = '23514', constraint = 'kill_switch_needs_a_second_person';
    end if;
    return new;
end $function$;
CREATE TRIGGER approvals_killswitch_guard BEFORE DELETE OR UPDATE ON approvals_killswitch FOR EACH ROW EXECUTE FUNCTION approvals_killswitch_guard();
