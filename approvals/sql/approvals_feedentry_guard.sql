CREATE OR REPLACE FUNCTION public.approvals_feedentry_guard()
 RETURNS trigger
 LANGUAGE plpgsql
AS $function$
begin
    -- An approval that was revoked before its place came is told first all the same.
    if not exists (
        select from approvals_decision where id = new.decision_id and (
            (status = new.status and status <> 'pending')
            or (status = 'revoked' and new.status in ('approved', 'auto_approved')))
    ) then
        raise exception 'the feed tells what was decided' using errcode = '23514', constraint = 'feed_tells_the_truth';
    end if;
    return new;
end $function$;
CREATE TRIGGER approvals_feedentry_guard BEFORE INSERT ON approvals_feedentry FOR EACH ROW EXECUTE FUNCTION approvals_feedentry_guard();
