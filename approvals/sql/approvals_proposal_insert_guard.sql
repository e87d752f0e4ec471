CREATE OR REPLACE FUNCTION public.approvals_proposal_insert_guard()
 RETURNS trigger
 LANGUAGE plpgsql
AS $function$
begin
    raise exception 'a proposal begins open' using errcode = '23514', constraint = 'proposal_begins_open';
end $function$;
CREATE TRIGGER approvals_proposal_insert_guard BEFORE INSERT ON approvals_proposal FOR EACH ROW WHEN (new.state::text <> 'open'::text OR new.applied_in IS NOT NULL) EXECUTE FUNCTION approvals_proposal_insert_guard();
