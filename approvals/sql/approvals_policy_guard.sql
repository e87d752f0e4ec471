CREATE OR REPLACE FUNCTION public.approvals_policy_guard()
 RETURNS trigger
 LANGUAGE plpgsql
AS $function$
begin
    if tg_op = 'DELETE' then
        if old.is_default then
            raise exception 'the default policy is never removed' using errcode = '23514', constraint = 'policy_default';
        end if;
        return old;
    end if;
    if tg_op = 'UPDATE' and old.is_default and not new.is_default then
        raise exception 'the default policy stays the default' using errcode = '23514', constraint = 'policy_default';
    end if;
    if exists (
        select from approvals_policy other where other.id <> new.id and (
            (new.is_default and other.position >= new.position)
            or (other.is_default and other.position <= new.position))
    ) then
        raise exception 'the default policy comes last' using errcode = '23514', constraint = 'policy_default_last';
    end if;
    return new;
end $function$;
CREATE TRIGGER approvals_policy_guard BEFORE INSERT OR DELETE OR UPDATE ON approvals_policy FOR EACH ROW EXECUTE FUNCTION approvals_policy_guard();
