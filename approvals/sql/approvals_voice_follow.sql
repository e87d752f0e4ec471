CREATE OR REPLACE FUNCTION public.approvals_voice_follow()
 RETURNS trigger
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'public', 'pg_temp'
AS $function$
begin
    if tg_op = 'UPDATE' then
        delete from approvals_voice where decision_id = new.decision_id;
    end if;
    
insert into approvals_voice (decision_id, user_id)
select review.decision_id, who
from approvals_review review
join approvals_decision decision on decision.id = review.decision_id and decision.status = 'pending',
unnest(array[review.reviewer_id, review.delegated_from_id]) who
where review.withdrawn_at is null and who is not null
 and review.decision_id = new.decision_id on conflict do nothing;
    return null;
end $function$;
CREATE TRIGGER approvals_voice_follow AFTER INSERT OR UPDATE OF withdrawn_at ON approvals_review FOR EACH ROW EXECUTE FUNCTION approvals_voice_follow();
