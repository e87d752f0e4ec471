CREATE OR REPLACE FUNCTION public.approvals_waiting_keep()
 RETURNS trigger
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'public', 'pg_temp'
AS $function$
begin
    if tg_op = 'UPDATE' and old.status = 'pending' then
        if new.status = 'pending' and (old.priority, old.sla_warn_at, old.sla_due_at, old.escalation_level,
            old.confidence, old.policy_version_id) is not distinct from (new.priority, new.sla_warn_at,
            new.sla_due_at, new.escalation_level, new.confidence, new.policy_version_id)
        then
            return null;  -- an approval was counted
        end if;
        delete from approvals_waiting where decision_id = new.id;
    end if;
    if new.status = 'pending' then
    insert into approvals_waiting (
        decision_id, created_at, priority, sla_warn_at, sla_due_at, escalation_level, confidence, policy_id,
        producer_id, severity, cwe_ids, package_name, ecosystem, language, wargaming, ml_prediction,
        submitted_by, sha256, search
    )
    select decision.id, decision.created_at, decision.priority, decision.sla_warn_at, decision.sla_due_at,
        decision.escalation_level, decision.confidence, version.policy_id, patch.producer_id, patch.effective_severity,
        patch.cwe_ids, patch.package_name, patch.ecosystem, patch.language, patch.wargaming,
        patch.ml_prediction, patch.submitted_by, patch.sha256, patch.search
    from approvals_decision decision
    join approvals_patch patch on patch.id = decision.patch_id
    join approvals_policyversion version on version.id = decision.policy_version_id
    where decision.id = new.id;
    elsif tg_op = 'UPDATE' then
        delete from approvals_voice where decision_id = new.id;
    end if;
    return null;
end $function$;
CREATE TRIGGER approvals_waiting_keep AFTER INSERT OR UPDATE ON approvals_decision FOR EACH ROW EXECUTE FUNCTION approvals_waiting_keep();
