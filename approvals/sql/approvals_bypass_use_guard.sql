CREATE OR REPLACE FUNCTION public.approvals_bypass_use_guard()
 RETURNS trigger
 LANGUAGE plpgsql
AS $function$
begin
    if old.status <> 'pending' or new.status <> 'approved' or new.channel <> 'page' or not exists (
        select from approvals_bypass bypass join approvals_patch patch on patch.id = new.patch_id
        where bypass.id = new.bypass_id and bypass.state = 'granted' and bypass.holder_id = new.decided_by_user_id
            and bypass.decided_at <= new.decided_at and bypass.ends_at > new.decided_at
            and (bypass.decision_id = new.id or bypass.decision_id is null
                 and bypass.ecosystem = patch.ecosystem and bypass.package_name = patch.package_name)
    ) or not exists (
        select from approvals_review where decision_id = new.id and reviewer_id = new.decided_by_user_id
            and verdict = 'approve' and withdrawn_at is null and delegated_from_id is null
    ) then
        raise exception 'no running bypass of the person who approved covers this'
            using errcode = '23514', constraint = 'decision_bypass_runs';
    end if;
    return new;
end $function$;
CREATE TRIGGER approvals_bypass_use_guard BEFORE UPDATE ON approvals_decision FOR EACH ROW WHEN (new.bypass_id IS DISTINCT FROM old.bypass_id) EXECUTE FUNCTION approvals_bypass_use_guard();
