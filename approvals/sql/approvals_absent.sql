CREATE VIEW approvals_absent WITH (security_invoker=true) AS
 SELECT delegation.delegate_id,
    delegation.starts_at,
    delegation.ends_at,
    person.id,
    person.email,
    person.username,
    COALESCE(NULLIF(TRIM(BOTH FROM concat(person.first_name, ' ', person.last_name)), ''::text), person.username::text) AS name,
    approvals_names(person.id) AS other_names,
    person.held_since IS NOT NULL AS held
   FROM approvals_delegation delegation
     JOIN approvals_user person ON person.id = delegation.person_id
  WHERE delegation.ended_at IS NULL;
