CREATE OR REPLACE FUNCTION public.approvals_tally_keep()
 RETURNS trigger
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'public', 'pg_temp'
AS $function$
begin
    if tg_op = 'UPDATE' then
        insert into approvals_tallychange
        values (-1, old.created_at, old.priority, old.status, old.decided_by_kind, old.decided_at, old.sla_due_at, null),
               (1, new.created_at, new.priority, new.status, new.decided_by_kind, new.decided_at, new.sla_due_at, null);
    else
        insert into approvals_tallychange
        select 1, new.created_at, new.priority, new.status, new.decided_by_kind, new.decided_at, new.sla_due_at,
            case when wargaming in ('passed', 'failed') then ml_prediction = (wargaming = 'passed') end
        from approvals_patch where id = new.patch_id;
    end if;
    return null;
end $function$;
CREATE TRIGGER approvals_tally_insert AFTER INSERT ON approvals_decision FOR EACH ROW EXECUTE FUNCTION approvals_tally_keep();
CREATE TRIGGER approvals_tally_update AFTER UPDATE ON approvals_decision FOR EACH ROW WHEN (old.priority IS DISTINCT FROM new.priority OR old.status::text IS DISTINCT FROM new.status::text OR old.decided_by_kind::text IS DISTINCT FROM new.decided_by_kind::text OR old.decided_at IS DISTINCT FROM new.decided_at OR old.sla_due_at IS DISTINCT FROM new.sla_due_at) EXECUTE FUNCTION approvals_tally_keep();
