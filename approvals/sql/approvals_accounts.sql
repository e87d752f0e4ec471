CREATE OR REPLACE FUNCTION public.approvals_accounts(who bigint)
 RETURNS SETOF bigint
 LANGUAGE sql
 STABLE
AS $function$
    with addressed as (
        select id, regexp_replace(lower(email), '(.)\+[^@]*@', '\1@') as address from approvals_user where email <> ''
        union select user_id, regexp_replace(lower(email), '(.)\+[^@]*@', '\1@') from account_emailaddress where verified
    ), subjects as (select provider, uid from socialaccount_socialaccount where user_id = who)
    select who union select id from addressed where address in (select address from addressed where id = who)
    union select user_id from socialaccount_socialaccount where (provider, uid) in (select provider, uid from subjects)
$function$;
