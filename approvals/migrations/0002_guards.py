"""What the database itself refuses: changed content, wrong transitions, lost history."""

from django.db import migrations

# The columns a producer sent. Everything else of a patch is derived by us and may be recomputed.
SENT = """id kind producer_id patch_id revision supersedes_id apv_id title description cve_description affected_range
cve_ids aliases cwe_ids severity cvss_score cvss_vector epss epss_date kev references package_name ecosystem purl
current_version target_version language affected_systems patch_size_lines repository base_commit strategy risk_level
vulnerable_locations sha256 document_sha256 size ml_confidence ml_prediction ml_model_version ml_shap ml_base_value
ml_execution_ms wargaming wargaming_phase1 wargaming_phase2 wargaming_validation_passed wargaming_exploit_id
wargaming_phases wargaming_execution_ms wargaming_error wargaming_log wargaming_run_url requested_priority
requires_manual_review manual_review_reason submitted_by triggered_by model_owner simulation_author synthetic
created_at""".split()  # noqa: SIM905  a list of one column a line would fill a page

OLD = ", ".join(f'old."{column}"' for column in SENT)
NEW = ", ".join(f'new."{column}"' for column in SENT)

APPEND_ONLY = ["patchcontent", "policyversion", "comment", "revocation", "feedentry"]

FORWARD = (
    f"""
create function approvals_refuse_change() returns trigger language plpgsql as $$
begin
    raise exception '% is append-only: % refused', tg_table_name, lower(tg_op) using errcode = '42501';
end $$;

create function approvals_patch_guard() returns trigger language plpgsql as $$
begin
    if tg_op = 'DELETE' or ({OLD}) is distinct from ({NEW}) then
        raise exception 'what a producer sent never changes; other content is a new revision'
            using errcode = '23514', constraint = 'patch_content_immutable';
    end if;
    return new;
end $$;
create trigger approvals_patch_guard before update or delete on approvals_patch
    for each row execute function approvals_patch_guard();
alter table approvals_patch enable always trigger approvals_patch_guard;

create function approvals_decision_guard() returns trigger language plpgsql as $$
begin
    if tg_op = 'INSERT' then
        if new.status <> 'pending' then
            raise exception 'a decision begins pending' using errcode = '23514', constraint = 'decision_transition';
        end if;
        return new;
    end if;
    if tg_op = 'DELETE' then
        raise exception 'decisions are never deleted' using errcode = '42501';
    end if;
    if (old.id, old.decision_id, old.patch_id, old.created_at)
        is distinct from (new.id, new.decision_id, new.patch_id, new.created_at)
        or (old.alias is not null and new.alias is distinct from old.alias)
    then
        raise exception 'a decision keeps its identity' using errcode = '23514', constraint = 'decision_identity';
    end if;
    if old.status <> new.status and not (
        (old.status = 'pending' and new.status in ('approved', 'auto_approved', 'rejected', 'changes_requested',
                                                   'expired', 'cancelled', 'superseded'))
        or (old.status in ('approved', 'auto_approved') and new.status = 'revoked')
    ) then
        raise exception 'a decision cannot go from % to %', old.status, new.status
            using errcode = '23514', constraint = 'decision_transition';
    end if;
    if old.status <> 'pending' and (old.decided_by_kind, old.decided_by, old.decided_by_user_id, old.decided_at,
        old.channel, old.cause, old.reason_id, old.category, old.policy_version_id, old.trace, old.priority,
        old.required_approvals, old.required_groups, old.approvals)
        is distinct from (new.decided_by_kind, new.decided_by, new.decided_by_user_id, new.decided_at,
        new.channel, new.cause, new.reason_id, new.category, new.policy_version_id, new.trace, new.priority,
        new.required_approvals, new.required_groups, new.approvals)
    then
        raise exception 'who decided what, when and why never changes'
            using errcode = '23514', constraint = 'decision_outcome_immutable';
    end if;
    if new.status = 'revoked' and old.status <> 'revoked'
        and not exists (select from approvals_revocation where decision_id = new.id)
    then
        raise exception 'a revocation needs who, when and why'
            using errcode = '23514', constraint = 'decision_revocation';
    end if;
    return new;
end $$;
create trigger approvals_decision_guard before insert or update or delete on approvals_decision
    for each row execute function approvals_decision_guard();
alter table approvals_decision enable always trigger approvals_decision_guard;

create function approvals_review_guard() returns trigger language plpgsql as $$
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
end $$;
create trigger approvals_review_guard before update or delete on approvals_review
    for each row execute function approvals_review_guard();
alter table approvals_review enable always trigger approvals_review_guard;

create function approvals_text_guard() returns trigger language plpgsql as $$
begin
    if tg_op = 'DELETE' or new.body is not null or (old.id, old.salt) is distinct from (new.id, new.salt) then
        raise exception 'text can only be erased' using errcode = '42501';
    end if;
    return new;
end $$;
create trigger approvals_text_guard before update or delete on approvals_text
    for each row execute function approvals_text_guard();
alter table approvals_text enable always trigger approvals_text_guard;
"""
    + "".join(
        f"""
create trigger approvals_{table}_no_change before update or delete on approvals_{table}
    for each row execute function approvals_refuse_change();
alter table approvals_{table} enable always trigger approvals_{table}_no_change;
"""
        for table in APPEND_ONLY
    )
    + "".join(
        f"""
create trigger approvals_{table}_no_truncate before truncate on approvals_{table}
    for each statement execute function approvals_refuse_change();
alter table approvals_{table} enable always trigger approvals_{table}_no_truncate;
"""
        for table in [*APPEND_ONLY, "patch", "decision", "review", "text"]
    )
)

GUARDED = {"patch": "patch", "decision": "decision", "review": "review", "text": "text"}
BACKWARD = (
    "".join(
        f"drop trigger approvals_{table}_no_truncate on approvals_{table};"
        for table in [*APPEND_ONLY, "patch", "decision", "review", "text"]
    )
    + "".join(f"drop trigger approvals_{table}_no_change on approvals_{table};" for table in APPEND_ONLY)
    + "".join(
        f"drop trigger approvals_{name}_guard on approvals_{table}; drop function approvals_{name}_guard();"
        for name, table in GUARDED.items()
    )
    + "drop function approvals_refuse_change();"
)


class Migration(migrations.Migration):
    dependencies = [("approvals", "0001_initial")]
    operations = [migrations.RunSQL(FORWARD, BACKWARD)]
