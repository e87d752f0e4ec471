CREATE OR REPLACE FUNCTION public.approvals_review_name_guard()
 RETURNS trigger
 LANGUAGE plpgsql
AS $function$
begin
    if new.delegated_from_id is not null and not exists (
        select from approvals_delegation
        where person_id = new.delegated_from_id and delegate_id = new.reviewer_id
          and starts_at <= new.created_at and ends_at > new.created_at
          and (ended_at is null or ended_at > new.created_at)
    ) then
        raise exception 'nobody asked this person to stand in' using errcode = '23514', constraint = 'review_delegated';
    end if;
    return new;
end $function$;
CREATE TRIGGER approvals_review_name_guard BEFORE INSERT ON approvals_review FOR EACH ROW EXECUTE FUNCTION approvals_review_name_guard();
