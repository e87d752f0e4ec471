CREATE OR REPLACE FUNCTION public.approvals_names(who bigint)
 RETURNS text[]
 LANGUAGE sql
 STABLE
AS $function$
    with account as (select approvals_accounts(who) as id)
    select array(
        select unnest(former_names) from approvals_user where id in (select id from account)
        union select unnest(array[lower(email), lower(username)]) from approvals_user
            where id in (select id from account) and id <> who
        union select lower(email) from account_emailaddress where verified and user_id in (select id from account)
        except select ''
    )
$function$;
