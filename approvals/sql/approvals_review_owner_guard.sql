CREATE OR REPLACE FUNCTION public.approvals_review_owner_guard()
 RETURNS trigger
 LANGUAGE plpgsql
AS $function$
begin
    if exists (
        select from approvals_user where id in (new.reviewer_id, new.delegated_from_id) and held_since is not null
    ) then
        raise exception 'this account decides nothing until its owner has confirmed and a second person has agreed'
            using errcode = '23514', constraint = 'review_by_its_owner';
    end if;
    return new;
end $function$;
CREATE TRIGGER approvals_review_owner_guard BEFORE INSERT ON approvals_review FOR EACH ROW EXECUTE FUNCTION approvals_review_owner_guard();
