CREATE OR REPLACE FUNCTION public.approvals_review_guard()
 RETURNS trigger
 LANGUAGE plpgsql
AS $function$
begin
    if tg_op = 'DELETE' or old.withdrawn_at is not null
        or (to_jsonb(old) - 'withdrawn_at') is distinct from (to_jsonb(new) - 'withdrawn_at')
    then
        raise exception 'a review can only be withdrawn, once' using errcode = '42501';
    end if;
    if not exists (select from approvals_decision where id = new.decision_id and status = 'pending') then
        raise exception 'a review of a decided patch stands' using errcode = '42501';
    end if;
    return new;
end $function$;
CREATE TRIGGER approvals_review_guard BEFORE DELETE OR UPDATE ON approvals_review FOR EACH ROW EXECUTE FUNCTION approvals_review_guard();
