"""Triggers keep one narrow row per pending decision; services know nothing of it."""

from django.db import migrations

COLUMNS = (
    "decision_id, priority, sla_warn_at, sla_due_at, escalation_level, confidence, policy_id, producer_id, severity,"
    " cwe_ids, cve_ids, package_name, ecosystem, language, wargaming, ml_prediction, submitted_by, sha256, search"
)
FACTS = """
select decision.id, decision.priority, decision.sla_warn_at, decision.sla_due_at, decision.escalation_level,
    decision.confidence, version.policy_id, patch.producer_id, patch.effective_severity, patch.cwe_ids, patch.cve_ids,
    patch.package_name, patch.ecosystem, patch.language, patch.wargaming, patch.ml_prediction, patch.submitted_by,
    patch.sha256, patch.search
from approvals_decision decision
join approvals_patch patch on patch.id = decision.patch_id
join approvals_policyversion version on version.id = decision.policy_version_id
"""

FORWARD = f"""
create function approvals_waiting_refill() returns void language sql as $$
    delete from approvals_waiting;
    insert into approvals_waiting ({COLUMNS}) {FACTS} where decision.status = 'pending';
$$;

create function approvals_waiting_keep() returns trigger language plpgsql as $$
begin
    if tg_op = 'UPDATE' and old.status = 'pending' then
        if new.status = 'pending' and (old.priority, old.sla_warn_at, old.sla_due_at, old.escalation_level,
            old.confidence, old.policy_version_id) is not distinct from (new.priority, new.sla_warn_at,
            new.sla_due_at, new.escalation_level, new.confidence, new.policy_version_id)
        then
            return null;  -- an approval was counted
        end if;
        delete from approvals_waiting where decision_id = new.id;
    end if;
    if new.status = 'pending' then
        insert into approvals_waiting ({COLUMNS}) {FACTS} where decision.id = new.id;
    end if;
    return null;
end $$;
create trigger approvals_waiting_keep after insert or update on approvals_decision
    for each row execute function approvals_waiting_keep();
alter table approvals_decision enable always trigger approvals_waiting_keep;

-- What we derive of a patch may be computed again.
create function approvals_waiting_follow() returns trigger language plpgsql as $$
begin
    update approvals_waiting set severity = new.effective_severity, search = new.search
    where decision_id = (select id from approvals_decision where patch_id = new.id);
    return null;
end $$;
create trigger approvals_waiting_follow after update of effective_severity, search_text on approvals_patch
    for each row execute function approvals_waiting_follow();
alter table approvals_patch enable always trigger approvals_waiting_follow;

select approvals_waiting_refill();
"""

BACKWARD = """
drop trigger approvals_waiting_follow on approvals_patch;
drop function approvals_waiting_follow();
drop trigger approvals_waiting_keep on approvals_decision;
drop function approvals_waiting_keep();
drop function approvals_waiting_refill();
delete from approvals_waiting;
"""


class Migration(migrations.Migration):
    dependencies = [("approvals", "0009_waiting")]
    operations = [migrations.RunSQL(FORWARD, BACKWARD)]
