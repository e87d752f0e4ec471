CREATE VIEW approvals_membership WITH (security_invoker=true) AS
 SELECT member.user_id,
    team.name AS team,
    (type.app_label::text || '.'::text) || permission.codename::text AS permission
   FROM approvals_user_groups member
     JOIN approvals_user person ON person.id = member.user_id
     JOIN auth_group team ON team.id = member.group_id
     LEFT JOIN auth_group_permissions granted ON granted.group_id = team.id
     LEFT JOIN auth_permission permission ON permission.id = granted.permission_id
     LEFT JOIN django_content_type type ON type.id = permission.content_type_id
  WHERE person.is_active;
