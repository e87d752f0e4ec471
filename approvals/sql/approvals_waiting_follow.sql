CREATE OR REPLACE FUNCTION public.approvals_waiting_follow()
 RETURNS trigger
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'public', 'pg_temp'
AS $function$
begin
    update approvals_waiting set severity = new.effective_severity, search = new.search
    where decision_id = (select id from approvals_decision where patch_id = new.id);
    return null;
end $function$;
CREATE TRIGGER approvals_waiting_follow AFTER UPDATE OF effective_severity, search_text ON approvals_patch FOR EACH ROW EXECUTE FUNCTION approvals_waiting_follow();
