CREATE OR REPLACE FUNCTION public.approvals_user_agreed_guard()
 RETURNS trigger
 LANGUAGE plpgsql
AS $function$
begin
    if (select second_person_required from approvals_killswitch) and not (
        new.held_since = old.held_since and old.owner_confirmed_at is not null and exists (
            select from approvals_proposal where kind = 'account' and person_id = new.id and state = 'applied'
                and applied_in = pg_current_xact_id()::text::bigint and proposed_at >= old.held_since
        )
    ) then
        raise exception 'an account decides again once a second person has agreed to it, on the Policies page'
            using errcode = '23514', constraint = 'user_agreed_by_a_lead';
    end if;
    return new;
end $function$;
CREATE TRIGGER approvals_user_agreed_guard BEFORE UPDATE ON approvals_user FOR EACH ROW WHEN (new.lead_agreed_at IS NOT NULL AND (new.lead_agreed_at IS DISTINCT FROM old.lead_agreed_at OR new.held_since IS DISTINCT FROM old.held_since)) EXECUTE FUNCTION approvals_user_agreed_guard();
