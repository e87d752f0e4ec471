CREATE OR REPLACE FUNCTION public.approvals_loosens(old approvals_policyversion, new approvals_policyversion)
 RETURNS boolean
 LANGUAGE sql
 IMMUTABLE
AS $function$
    select btrim(old.match, E' \t\n\r\f\v') <> btrim(new.match, E' \t\n\r\f\v')
        -- fewer people
        or new.required_approvals < old.required_approvals
        or not new.required_groups @> old.required_groups
        or old.known_submitter and not new.known_submitter
        or old.decider_groups <> '{}' and (new.decider_groups = '{}' or not new.decider_groups <@ old.decider_groups)
        or new.deny_threshold > old.deny_threshold
        or old.second_factor and not new.second_factor
        or old.step_up and not new.step_up and not new.second_factor
        or new.supersede_candidates and not old.supersede_candidates
        -- more by the machine
        or new.expire_action = 'approve' and (
            old.expire_action <> 'approve'
            or coalesce(new.expire_after_seconds < old.expire_after_seconds,
                        new.expire_after_seconds is not null and old.expire_after_seconds is null)
            or not (new.decider_groups @> old.decider_groups and new.decider_groups <@ old.decider_groups)
            or coalesce(new.escalate_after_seconds > old.escalate_after_seconds,
                        new.escalate_after_seconds is null and old.escalate_after_seconds is not null)
            or old.escalation <> '[]' and new.escalation <> old.escalation
        )
        or new.auto_approval = 'enforce' and (
            old.auto_approval <> 'enforce'
            or new.auto_approve_threshold < old.auto_approve_threshold
            or new.spot_check_percent < old.spot_check_percent
            or new.location_slack > old.location_slack
            or not new.allowed_marks <@ old.allowed_marks
            or new.gate_conditions and not old.gate_conditions
        )
$function$;
