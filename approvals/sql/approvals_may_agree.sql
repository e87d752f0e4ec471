CREATE OR REPLACE FUNCTION public.approvals_may_agree(kind text, who bigint)
 RETURNS boolean
 LANGUAGE sql
 STABLE
AS $function$
    with granted as (
        select person.id, permission.codename, person.held_since is null as decides
        from approvals_user person
        join approvals_user_groups member on member.user_id = person.id
        join auth_group_permissions given on given.group_id = member.group_id
        join auth_permission permission on permission.id = given.permission_id
        join django_content_type type on type.id = permission.content_type_id and type.app_label = 'approvals'
        where person.is_active and permission.codename in ('lead_decision', 'change_policy')
    ), asked as (
        select person.is_superuser as superuser,
            exists (select from granted where id = who and codename = 'lead_decision') as lead,
            exists (select from granted where id = who and codename = 'change_policy') or exists (
                select from approvals_user_user_permissions own
                join auth_permission permission on permission.id = own.permission_id
                join django_content_type type on type.id = permission.content_type_id
                where own.user_id = who and (type.app_label, permission.codename) = ('approvals', 'change_policy')
            ) as changes_policies,
            exists (select from granted where codename = 'lead_decision' and decides) as leads
        from approvals_user person where person.id = who and person.is_active
    )
    select coalesce(bool_or(case kind
        when 'policy' then changes_policies or superuser
        when 'switch' then lead
        when 'account' then lead or superuser and not leads
        else lead or superuser
    end), false) from asked
$function$;
