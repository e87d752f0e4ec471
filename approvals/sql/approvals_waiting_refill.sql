CREATE OR REPLACE FUNCTION public.approvals_waiting_refill()
 RETURNS void
 LANGUAGE sql
AS $function$
    delete from approvals_waiting;
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
    where decision.status = 'pending';
    delete from approvals_voice;
    insert into approvals_voice (decision_id, user_id)
    select review.decision_id, who
    from approvals_review review
    join approvals_decision decision on decision.id = review.decision_id and decision.status = 'pending',
    unnest(array[review.reviewer_id, review.delegated_from_id]) who
    where review.withdrawn_at is null and who is not null
    on conflict do nothing;
$function$;
