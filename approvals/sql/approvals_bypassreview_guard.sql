CREATE OR REPLACE FUNCTION public.approvals_bypassreview_guard()
 RETURNS trigger
 LANGUAGE plpgsql
AS $function$
begin
    if not exists (
        select from approvals_decision decision join approvals_bypass bypass on bypass.id = decision.bypass_id
        where decision.id = new.decision_id and bypass.holder_id <> new.reviewed_by_id
    ) then
        raise exception 'a use of a bypass is reviewed by somebody else'
            using errcode = '23514', constraint = 'bypass_reviewed_by_another';
    end if;
    return new;
end $function$;
CREATE TRIGGER approvals_bypassreview_guard BEFORE INSERT ON approvals_bypassreview FOR EACH ROW EXECUTE FUNCTION approvals_bypassreview_guard();
