CREATE OR REPLACE FUNCTION public.approvals_review_insert_guard()
 RETURNS trigger
 LANGUAGE plpgsql
AS $function$
begin
    if not exists (select from approvals_decision where id = new.decision_id and status = 'pending') then
        raise exception 'only a pending patch is reviewed' using errcode = '23514', constraint = 'review_of_pending';
    end if;
    return new;
end $function$;
CREATE TRIGGER approvals_review_insert_guard BEFORE INSERT ON approvals_review FOR EACH ROW EXECUTE FUNCTION approvals_review_insert_guard();
