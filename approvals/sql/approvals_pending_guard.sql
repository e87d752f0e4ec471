CREATE OR REPLACE FUNCTION public.approvals_pending_guard()
 RETURNS trigger
 LANGUAGE plpgsql
AS $function$
begin
    raise exception 'a pending decision never asks for less than it did'
        using errcode = '23514', constraint = 'decision_asks_no_less';
end $function$;
CREATE TRIGGER approvals_pending_guard BEFORE UPDATE ON approvals_decision FOR EACH ROW WHEN (old.status::text = 'pending'::text AND (new.required_approvals < old.required_approvals OR NOT new.required_groups @> old.required_groups OR new.priority < old.priority OR new.policy_version_id <> old.policy_version_id AND new.priority = old.priority OR new.expire_action::text = 'approve'::text AND old.expire_action::text <> 'approve'::text OR new.confidence <> old.confidence)) EXECUTE FUNCTION approvals_pending_guard();
