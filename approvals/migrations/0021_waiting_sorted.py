"""The queue is sorted where it is narrowed: arrival joins the narrow rows, and each order has its index there. Who has
reviewed what waits stands in a small table of its own."""

import django.db.models.deletion
import django.utils.timezone
from django.conf import settings
from django.db import migrations, models
from django.db.models import F, OrderBy, Q

COLUMNS = (
    "decision_id, priority, sla_warn_at, sla_due_at, escalation_level, confidence, policy_id, producer_id, severity,"
    " cwe_ids, cve_ids, package_name, ecosystem, language, wargaming, ml_prediction, submitted_by, sha256, search"
)
FACTS = """
select decision.id, decision.priority, decision.sla_warn_at, decision.sla_due_at, decision.escalation_level,
    decision.confidence, version.policy_id, patch.producer_id, patch.effective_severity, patch.cwe_ids, patch.cve_ids,
    patch.package_name, patch.ecosystem, patch.language, patch.wargaming, patch.ml_prediction, patch.submitted_by,
    patch.sha256, patch.search{more}
from approvals_decision decision
join approvals_patch patch on patch.id = decision.patch_id
join approvals_policyversion version on version.id = decision.policy_version_id
"""
FACTS_COUNTED = ["priority", "severity", "policy", "wargaming", "ml_prediction", "producer", "ecosystem"]
FACTS_COUNTED += ["escalation_level", "confidence"]


VOICES = """
insert into approvals_voice (decision_id, user_id)
select review.decision_id, who
from approvals_review review
join approvals_decision decision on decision.id = review.decision_id and decision.status = 'pending',
unnest(array[review.reviewer_id, review.delegated_from_id]) who
where review.withdrawn_at is null and who is not null
"""


def functions(columns: str, facts: str, refilled: str = "", ended: str = "") -> str:
    """Return the functions of migration 0010 that fill whole rows, for these columns, with what else they do."""
    return f"""
create or replace function approvals_waiting_refill() returns void language sql as $$
    delete from approvals_waiting;
    insert into approvals_waiting ({columns}) {facts} where decision.status = 'pending';
    {refilled}
$$;

create or replace function approvals_waiting_keep() returns trigger language plpgsql as $$
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
        insert into approvals_waiting ({columns}) {facts} where decision.id = new.id;
    {ended}
    end if;
    return null;
end $$;
"""


FORWARD = functions(
    f"{COLUMNS}, created_at",
    FACTS.format(more=", decision.created_at"),
    f"delete from approvals_voice; {VOICES} on conflict do nothing;",
    "elsif tg_op = 'UPDATE' then delete from approvals_voice where decision_id = new.id;",
)
FORWARD += f"""
create function approvals_voice_follow() returns trigger language plpgsql as $$
begin
    if tg_op = 'UPDATE' then
        delete from approvals_voice where decision_id = new.decision_id;
    end if;
    {VOICES} and review.decision_id = new.decision_id on conflict do nothing;
    return null;
end $$;
create trigger approvals_voice_follow after insert or update of withdrawn_at on approvals_review
    for each row execute function approvals_voice_follow();
alter table approvals_review enable always trigger approvals_voice_follow;

truncate approvals_waiting;  -- not deleted from: nobody reads past a hundred thousand dead rows
select approvals_waiting_refill();
"""
BACKWARD = """
drop trigger approvals_voice_follow on approvals_review;
drop function approvals_voice_follow();
"""
BACKWARD += functions(COLUMNS, FACTS.format(more=""))


class Migration(migrations.Migration):
    dependencies = [("approvals", "0020_bypass")]

    operations = [
        migrations.CreateModel(
            name="Voice",
            fields=[
                (
                    "pk",
                    models.CompositePrimaryKey(
                        "decision", "user", blank=True, editable=False, primary_key=True, serialize=False
                    ),
                ),
                (
                    "decision",
                    models.ForeignKey(
                        db_constraint=False,
                        db_index=False,
                        on_delete=django.db.models.deletion.DO_NOTHING,
                        related_name="+",
                        to="approvals.decision",
                    ),
                ),
                (
                    "user",
                    models.ForeignKey(
                        db_constraint=False,
                        db_index=False,
                        on_delete=django.db.models.deletion.DO_NOTHING,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
            ],
        ),
        migrations.AddField(
            model_name="waiting",
            name="created_at",
            field=models.DateTimeField(default=django.utils.timezone.now),
            preserve_default=False,
        ),
        migrations.RunSQL(FORWARD, BACKWARD),
        *[
            migrations.RemoveIndex("decision", f"queue_{name}")
            for name in ("by_priority", "escalated", "by_age", "by_sla", "by_confidence")
        ],
        *[
            migrations.RemoveIndex("waiting", f"waiting_by_{name}")
            for name in ("priority", "escalation", "policy", "ecosystem", "severity", "wargaming")
        ],
        *[
            migrations.AddIndex("waiting", index)
            for index in (
                models.Index(
                    OrderBy(F("priority"), descending=True),
                    "sla_due_at",
                    "decision",
                    "severity",
                    "policy",
                    include=["sla_warn_at"],
                    name="waiting_by_urgency",
                ),
                models.Index(
                    OrderBy(F("priority"), descending=True),
                    "sla_due_at",
                    "decision",
                    condition=Q(escalation_level__gt=0),
                    name="waiting_escalated",
                ),
                models.Index(fields=FACTS_COUNTED, include=["decision", "submitted_by"], name="waiting_facts"),
                models.Index(fields=["created_at", "decision"], name="waiting_by_age"),
                models.Index(fields=["sla_due_at", "decision"], name="waiting_by_sla"),
                models.Index(fields=["confidence", "decision"], name="waiting_by_score"),
            )
        ],
    ]
