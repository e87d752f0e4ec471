CREATE OR REPLACE FUNCTION public.approvals_user_guard()
 RETURNS trigger
 LANGUAGE plpgsql
AS $function$
declare
    name text;
begin
    new.former_names := array(select distinct unnest(old.former_names || new.former_names));
    foreach name in array array[lower(old.email), lower(old.username)] loop
        if name <> '' and name not in (lower(new.email), lower(new.username)) and name <> all (new.former_names) then
            new.former_names := new.former_names || name::varchar;
        end if;
    end loop;
    if old.held_since is not null and new.held_since is null
        and (old.owner_confirmed_at is null or old.lead_agreed_at is null)
    then
        raise exception 'an account decides again once its owner has confirmed and a second person has agreed'
            using errcode = '23514', constraint = 'user_held';
    end if;
    return new;
end $function$;
CREATE TRIGGER approvals_user_guard BEFORE UPDATE OF email, username, former_names, held_since, owner_confirmed_at, lead_agreed_at ON approvals_user FOR EACH ROW EXECUTE FUNCTION approvals_user_guard();
