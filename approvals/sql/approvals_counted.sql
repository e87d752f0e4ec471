CREATE VIEW approvals_counted WITH (security_invoker=true) AS
 SELECT 1::smallint AS amount,
    approvals_decision.created_at,
    approvals_decision.priority,
    approvals_decision.status::text AS status,
    approvals_decision.decided_by_kind::text AS decided_by_kind,
    approvals_decision.decided_at,
    approvals_decision.sla_due_at,
    NULL::boolean AS agrees
   FROM approvals_decision
UNION ALL
 SELECT 1 AS amount,
    approvals_patch.created_at,
    NULL::smallint AS priority,
    NULL::text AS status,
    NULL::text AS decided_by_kind,
    NULL::timestamp with time zone AS decided_at,
    NULL::timestamp with time zone AS sla_due_at,
    approvals_patch.ml_prediction = (approvals_patch.wargaming::text = 'passed'::text) AS agrees
   FROM approvals_patch
  WHERE approvals_patch.ml_prediction IS NOT NULL AND (approvals_patch.wargaming::text = ANY (ARRAY['passed'::character varying, 'failed'::character varying]::text[]));
