CREATE OR REPLACE FUNCTION public.approvals_approval_guard()
 RETURNS trigger
 LANGUAGE plpgsql
AS $function$
begin
    if new.required_approvals > (
        select count(*) from approvals_review review
        where review.decision_id = new.id and review.verdict = 'approve' and review.withdrawn_at is null
    ) then
        raise exception 'an approval needs the reviews it counts'
            using errcode = '23514', constraint = 'decision_approved_by_reviews';
    end if;
    return null;
end $function$;
CREATE TRIGGER approvals_approval_guard AFTER UPDATE ON approvals_decision FOR EACH ROW WHEN (old.status::text = 'pending'::text AND new.status::text = 'approved'::text AND new.bypass_id IS NULL) EXECUTE FUNCTION approvals_approval_guard();
