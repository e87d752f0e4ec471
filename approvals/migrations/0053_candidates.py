"""A policy may let an approval end the other candidates, which loosens it; and what people object to a patch, for the
statements that compose answers."""

from django.db import migrations, models

FORWARD = """
create or replace function approvals_loosens(old approvals_policyversion, new approvals_policyversion) returns boolean
language sql immutable as $$
    select btrim(old.match, E' \\t\\n\\r\\f\\v') <> btrim(new.match, E' \\t\\n\\r\\f\\v')
        -- fewer people
        or new.required_approvals < old.required_approvals
        or not new.required_groups @> old.required_groups
        or old.known_submitter and not new.known_submitter
        or old.decider_groups <> '{}' and (new.decider_groups = '{}' or not new.decider_groups <@ old.decider_groups)
        or new.deny_threshold > old.deny_threshold
        or old.second_factor and not new.second_factor
        or old.step_up and not new.step_up and not new.second_factor
        or new.supersede_candidates and not old.supersede_candidates
        -- more by the machine
        or new.expire_action = 'approve' and (
            old.expire_action <> 'approve'
            or coalesce(new.expire_after_seconds < old.expire_after_seconds,
                        new.expire_after_seconds is not null and old.expire_after_seconds is null)
            or not (new.decider_groups @> old.decider_groups and new.decider_groups <@ old.decider_groups)
            or coalesce(new.escalate_after_seconds > old.escalate_after_seconds,
                        new.escalate_after_seconds is null and old.escalate_after_seconds is not null)
            or old.escalation <> '[]' and new.escalation <> old.escalation
        )
        or new.auto_approval = 'enforce' and (
            old.auto_approval <> 'enforce'
            or new.auto_approve_threshold < old.auto_approve_threshold
            or new.spot_check_percent < old.spot_check_percent
            or new.location_slack > old.location_slack
            or not new.allowed_marks <@ old.allowed_marks
            or new.gate_conditions and not old.gate_conditions
        )
$$;
"""
BACKWARD = """
create or replace function approvals_loosens(old approvals_policyversion, new approvals_policyversion) returns boolean
language sql immutable as $$
    select btrim(old.match, E' \\t\\n\\r\\f\\v') <> btrim(new.match, E' \\t\\n\\r\\f\\v')
        -- fewer people
        or new.required_approvals < old.required_approvals
        or not new.required_groups @> old.required_groups
        or old.known_submitter and not new.known_submitter
        or old.decider_groups <> '{}' and (new.decider_groups = '{}' or not new.decider_groups <@ old.decider_groups)
        or new.deny_threshold > old.deny_threshold
        or old.second_factor and not new.second_factor
        or old.step_up and not new.step_up and not new.second_factor
        -- more by the machine
        or new.expire_action = 'approve' and (
            old.expire_action <> 'approve'
            or coalesce(new.expire_after_seconds < old.expire_after_seconds,
                        new.expire_after_seconds is not null and old.expire_after_seconds is null)
            or not (new.decider_groups @> old.decider_groups and new.decider_groups <@ old.decider_groups)
            or coalesce(new.escalate_after_seconds > old.escalate_after_seconds,
                        new.escalate_after_seconds is null and old.escalate_after_seconds is not null)
            or old.escalation <> '[]' and new.escalation <> old.escalation
        )
        or new.auto_approval = 'enforce' and (
            old.auto_approval <> 'enforce'
            or new.auto_approve_threshold < old.auto_approve_threshold
            or new.spot_check_percent < old.spot_check_percent
            or new.location_slack > old.location_slack
            or not new.allowed_marks <@ old.allowed_marks
            or new.gate_conditions and not old.gate_conditions
        )
$$;
"""
# What each person who refuses says, and then what they wrote at lines.
OBJECTIONS = """
create view approvals_objection with (security_invoker) as
select review.decision_id, review.id as review_id, 0 as comment_id, review.category, review.text_id,
    null as file, null::integer as line, null as side
from approvals_review review
where review.verdict <> 'approve' and review.withdrawn_at is null
union all
select comment.decision_id, review.id, comment.id, '', comment.text_id, comment.file, comment.line,
    case when comment.line is not null then comment.side end
from approvals_comment comment
join approvals_review review on review.decision_id = comment.decision_id and review.reviewer_id = comment.author_id
where review.verdict <> 'approve' and review.withdrawn_at is null and comment.file <> ''
"""


class Migration(migrations.Migration):
    dependencies = [("approvals", "0052_deployers")]
    operations = [
        migrations.AddField(
            "policyversion",
            "supersede_candidates",
            models.BooleanField(
                default=False,
                db_default=False,
                help_text="Approving one candidate ends the others that wait for the same vulnerability of the same "
                "package or repository, where their policy says so too.",
            ),
        ),
        migrations.RunSQL(FORWARD, BACKWARD),
        migrations.RunSQL(OBJECTIONS, "drop view approvals_objection"),
    ]
