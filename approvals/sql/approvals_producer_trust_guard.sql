CREATE OR REPLACE FUNCTION public.approvals_producer_trust_guard()
 RETURNS trigger
 LANGUAGE plpgsql
AS $function$
declare
    before jsonb := case when tg_op = 'UPDATE' then to_jsonb(old) else '{}' end;
    name text;
begin
    if not (select second_person_required from approvals_killswitch) then
        return new;
    end if;
    foreach name in array array['trusted_for_ml', 'trusted_for_wargaming'] loop
        if (to_jsonb(new) ->> name)::boolean and not coalesce((before ->> name)::boolean, false) and not exists (
            select from approvals_proposal where kind = 'producer' and producer_id = new.id and state = 'applied'
                and applied_in = pg_current_xact_id()::text::bigint and (payload ->> name)::boolean
        ) then
            raise exception 'evidence of a producer counts once a second person has agreed to it'
                using errcode = '23514', constraint = 'producer_trusted_by_two';
        end if;
    end loop;
    return new;
end $function$;
CREATE TRIGGER approvals_producer_trust_guard BEFORE INSERT OR UPDATE ON approvals_producer FOR EACH ROW WHEN (new.trusted_for_ml OR new.trusted_for_wargaming) EXECUTE FUNCTION approvals_producer_trust_guard();
