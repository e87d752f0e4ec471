"""What the API answers as PostgreSQL composes it: pending rows, items of the feed, whole records; each is a JSON object
with every field, from which the API takes what its reader may not see. Their shapes, and where each field is read, are
in `api.answers` and `api.records`; `tests/approvals/api/test_composed.py` compares the two."""

from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

from approvals.models import Producer
from postgresql.statements import query, query_prepared

from .decisions import as_uuid, uuid_of_alias

PENDING_ROWS_SQL = """
select producer_id, row_to_json(answer)::text
from unnest(%(keys)s::bigint[]) with ordinality as wanted (key, place)
join approvals_decision decision on decision.id = key
join approvals_patch patch on patch.id = decision.patch_id
cross join lateral (select case wargaming when 'passed' then true when 'failed' then false end) run (passed)
cross join lateral (
    select decision.decision_id, patch.patch_id, kind, revision,
        sha256 as patch_sha256,
        apv_id,
        cve_ids[1] as cve_id,
        coalesce(nullif(title, ''), coalesce(nullif(package_name, ''), repository)
            || case when target_version = '' then '' else concat(' ', current_version, ' to ', target_version) end
        ) as title,
        nullif(package_name, '') as package_name,
        nullif(current_version, '') as current_version,
        nullif(target_version, '') as target_version,
        severity, effective_severity,
        ('{low,medium,high,critical}'::text[])[priority] as priority,
        ml_confidence, ml_prediction,
        run.passed as wargaming_passed,
        wargaming as wargaming_verdict,
        ml_prediction = run.passed as agreement,
        approvals_moment(decision.created_at) as created_at,
        greatest(0, trunc(extract(epoch from %(now)s - decision.created_at)))::bigint as age_seconds,
        approvals_moment(sla_due_at) as sla_due_at,
        case when sla_due_at = '9999-12-31 00:00Z' then 'none' when sla_due_at <= %(now)s then 'breached'
            when sla_warn_at <= %(now)s then 'warning' else 'ok' end as sla_state,
        approvals, required_approvals, escalation_level
) answer
where status = 'pending'
order by place
"""
FEED_SQL = """
select producer_id, row_to_json(answer)::text
from approvals_feedentry entry
join approvals_decision decision on decision.id = entry.decision_id
join approvals_patch patch on patch.id = decision.patch_id
left join approvals_revocation revocation on revocation.decision_id = decision.id
cross join lateral (
    select entry.position, decision.decision_id, patch.patch_id, kind, revision,
        (select name from approvals_producer where id = patch.producer_id) as producer,
        sha256 as patch_sha256,
        nullif(canonical_sha256, '') as canonical_sha256,
        entry.status,
        approvals_moment(at) as at,
        -- Of a revocation, who revoked: the decision keeps who approved.
        case entry.status when 'revoked' then revoked_by else decided_by end as decided_by,
        case entry.status when 'revoked' then 'human' else decided_by_kind end as decided_by_kind,
        ('{low,medium,high,critical}'::text[])[priority] as priority,
        bypass_id is not null as bypass,
        case when entry.status in ('rejected', 'changes_requested') then (
            select coalesce(json_agg(json_build_object(
                'category', nullif(objection.category, ''), 'text', body, 'file', file, 'line', line, 'side', side
            ) order by review_id, comment_id), '[]')
            from approvals_objection objection left join approvals_text text on text.id = text_id
            where objection.decision_id = decision.id
        ) else '[]' end as objections
) answer
where entry.position > %(after)s
order by entry.position
limit %(limit)s
"""
RECORD_SQL = """
select decision.decision_id, decision.status, producer_id, row_to_json(answer)::text
from approvals_decision decision
join approvals_patch patch on patch.id = decision.patch_id
left join approvals_revocation revocation on revocation.decision_id = decision.id
cross join lateral (
    select max(review.created_at) as newest,
        (array_agg(text.body order by review.id desc) filter (where verdict = 'approve' and text.body <> ''))[1]
            as comment,
        json_agg(json_build_object(
            'reviewer', reviewer.username,
            'in_name_of', absent.username,
            'verdict', verdict,
            'category', nullif(category, ''),
            'text', text.body,
            'patch_sha256', patch_sha256,
            'displayed', displayed,
            'channel', review.channel,
            'created_at', approvals_moment(review.created_at),
            'withdrawn_at', approvals_moment(withdrawn_at)
        ) order by review.id) as found
    from approvals_review review
    join approvals_user reviewer on reviewer.id = reviewer_id
    left join approvals_user absent on absent.id = delegated_from_id
    left join approvals_text text on text.id = text_id
    where review.decision_id = decision.id
) reviews
cross join lateral (
    select apv_id,
        nullif(title, '') as title,
        nullif(description, '') as description,
        nullif(cve_ids[1], '') as cve_id,
        cve_ids, aliases,
        nullif(cve_description, '') as cve_description,
        nullif(affected_range, '') as affected_range,
        cwe_ids, severity, cvss_score,
        nullif(cvss_vector, '') as cvss_vector,
        epss, epss_date, kev, "references",
        nullif(package_name, '') as package_name,
        nullif(ecosystem, '') as ecosystem,
        nullif(purl, '') as purl,
        nullif(current_version, '') as current_version,
        nullif(target_version, '') as target_version,
        nullif(language, '') as language,
        affected_systems, patch_size_lines,
        nullif(repository, '') as repository,
        nullif(base_commit, '') as base_commit,
        nullif(strategy, '') as strategy,
        nullif(risk_level, '') as risk_level,
        vulnerable_locations
) metadata
cross join lateral (
    select ml_model_version as model_version,
        ml_confidence as confidence,
        ml_prediction as prediction,
        ml_shap as shap_values,
        ml_base_value as base_value,
        ml_execution_ms as execution_time_ms
) score
cross join lateral (
    select wargaming_phase1 as phase1_success,
        wargaming_phase2 as phase2_success,
        wargaming_validation_passed as validation_passed,
        wargaming_execution_ms as execution_time_ms,
        nullif(wargaming_error, '') as error_message,
        nullif(wargaming_exploit_id, '') as exploit_id,
        wargaming_phases as phases,
        nullif(wargaming_log, '') as log,
        nullif(wargaming_run_url, '') as run_url,
        wargaming as verdict
) run
cross join lateral (
    select decision.decision_id, alias, patch.patch_id, kind, revision,
        (select name from approvals_producer where id = patch.producer_id) as producer,
        patch.sha256 as patch_sha256,
        decision.status as decision,
        decision.status,
        nullif(decided_by, '') as decided_by,
        nullif(decided_by_kind, '') as decided_by_kind,
        approvals_moment(decided_at) as decided_at,
        nullif(channel, '') as channel,
        nullif(cause, '') as cause,
        nullif(category, '') as category,
        (select body from approvals_text where id = decision.reason_id) as reason,
        reviews.comment,
        ('{low,medium,high,critical}'::text[])[decision.priority] as priority,
        nullif(requested_priority, '') as requested_priority,
        requires_manual_review,
        nullif(manual_review_reason, '') as manual_review_reason,
        approvals_moment(decision.created_at) as created_at,
        approvals_moment(greatest(decision.created_at, reviews.newest, decided_at, revoked_at)) as updated_at,
        escalation_level > 0 as requires_escalation,
        escalation_level,
        would_auto_approve as auto_approval_eligible,
        coalesce(wargaming in ('passed', 'failed') and ml_prediction = (wargaming = 'passed'), false)
            as ml_wargaming_agreement,
        approvals_moment(sla_due_at) as sla_due_at,
        approvals_moment(expire_at) as expire_at,
        approvals,
        bypass_id is not null as bypass,
        decision.required_approvals,
        decision.required_groups,
        (
            select json_build_object('name', name, 'version', version)
            from approvals_policyversion version join approvals_policy policy on policy.id = version.policy_id
            where version.id = decision.policy_version_id
        ) as policy,
        trace,
        metadata as patch_metadata,
        effective_severity,
        cvss_counted as effective_cvss,
        known_exploited,
        case when ml_confidence is not null then score end as ml_prediction,
        case when wargaming <> 'not_run' or wargaming_phases <> '[]' or num_nonnulls(
            run.phase1_success, run.phase2_success, run.validation_passed, run.execution_time_ms, run.error_message,
            run.exploit_id, run.log, run.run_url) > 0 then run end as wargaming_result,
        file_count as files,
        additions, deletions, parse_warnings,
        nullif(canonical_sha256, '') as canonical_sha256,
        nullif(no_canonical, '') as no_canonical,
        nullif(ambiguous, '') as ambiguous,
        marks, synthetic,
        json_build_object(
            'submitted_by', nullif(submitted_by, ''),
            'triggered_by', nullif(triggered_by, ''),
            'model_owner', nullif(model_owner, ''),
            'simulation_author', nullif(simulation_author, '')
        ) as people,
        coalesce(reviews.found, '[]') as reviews,
        case when decision.status in ('rejected', 'changes_requested') then (
            select coalesce(json_agg(json_build_object(
                'category', nullif(objection.category, ''), 'text', body, 'file', file, 'line', line, 'side', side
            ) order by review_id, comment_id), '[]')
            from approvals_objection objection left join approvals_text text on text.id = text_id
            where objection.decision_id = decision.id
        ) else '[]' end as objections,
        (
            select coalesce(json_agg(json_build_object(
                'author', author_label,
                'created_at', approvals_moment(created_at),
                'file', nullif(file, ''),
                'line', line,
                'side', case when line is not null then side end,
                'text', text.body
            ) order by comment.id), '[]')
            from approvals_comment comment join approvals_text text on text.id = text_id
            where comment.decision_id = decision.id
        ) as comments,
        case when revocation.id is not null then json_build_object(
            'revoked_by', revoked_by,
            'revoked_at', approvals_moment(revoked_at),
            'reason', (select body from approvals_text where id = revocation.reason_id)
        ) end as revocation,
        (
            select coalesce(json_agg(json_build_object(
                'deployer', deployer,
                'position', position,
                'status', entry.status,
                'acknowledged_at', approvals_moment(acknowledged_at)
            ) order by done.id), '[]')
            from approvals_feedentry entry join approvals_acknowledgement done on done.feed_entry_id = position
            where entry.decision_id = decision.id and decision.status in ('approved', 'auto_approved', 'revoked')
        ) as acknowledgements,
        (
            select coalesce(json_agg(json_build_object(
                'deployer', deployer,
                'result', result,
                'deployed_sha256', deployed_sha256,
                'alarm', nullif(alarm, ''),
                'deployed_at', approvals_moment(deployed_at),
                'reported_at', approvals_moment(reported_at),
                'note', (select body from approvals_text where id = note_id)
            ) order by report.id), '[]')
            from approvals_outcomereport report where report.decision_id = decision.id
        ) as outcomes
) answer
where decision.decision_id = %s
"""


class Composed(NamedTuple):
    """One JSON object, and the producer that its reader may be."""

    producer_id: int
    text: str


class ComposedRecord(NamedTuple):
    """One decision's record as JSON, and what is asked of it before it is sent."""

    decision_id: UUID
    status: str
    producer_id: int
    text: str


def pending_rows(keys: Sequence[int], now: datetime) -> list[Composed]:
    """Return the pending rows of the decisions with these keys, in this order; what has ended since is left out."""
    rows = query_prepared(PENDING_ROWS_SQL, {"keys": keys, "now": now}) if keys else []
    return [Composed(*row) for row in rows]


def feed_items(after: int, limit: int) -> list[Composed]:
    """Return the items of the feed after a position, oldest first: consecutive positions, the same for every reader."""
    return [Composed(*row) for row in query(FEED_SQL, {"after": after, "limit": limit})]


def record(decision_id: str, asker: Producer | None = None) -> ComposedRecord:
    """Return the record of a decision by our id or by a producer's alias; raise as `decisions.by_id` does."""
    own_id = as_uuid(decision_id)
    rows = query_prepared(RECORD_SQL, [own_id]) if own_id else []
    rows = rows or query_prepared(RECORD_SQL, [uuid_of_alias(decision_id, asker)])
    return ComposedRecord(*rows[0])
