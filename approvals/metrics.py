"""Metrics counted in the database at scrape time, so that every process answers the same and nothing falls. What has
grown large is read from its tallies, never row by row."""

import math
from collections.abc import Iterator
from datetime import datetime
from typing import Any

from django.utils import timezone
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric

from approvals.models import AutoApproval, Heartbeat, Priority, Status
from approvals.queries import deployments, endpoints
from approvals.queries.deployers import deployers
from approvals.queries.policies import current_versions
from approvals.services.killswitch import stopped_by
from audit.sequencing import backlog, oldest_waiting
from notifications.models import Channel, DeliveryState
from postgresql.statements import query

BUCKETS = (60, 300, 600, 900, 1800, 3600, 14_400, 86_400)

# Tallies of all days and the changes that the sequencer has not added yet, as of one moment. Times that are alike share
# a tally; how many of those that hold a bucket's bound are within it is counted in the index. A revoked decision was
# approved before, by a policy or not.
COUNTED_SQL = """
with bucket as (
    select bound, approvals_took(bound) as alike from unnest(%s::interval[]) bound
), part as (
    select series, name, number, amount from approvals_tally
    where series in ('status', 'took', 'microseconds', 'agrees') and at = '-infinity'
    union all
    select part.series, part.name, part.number, part.amount
    from approvals_tallychange change, approvals_tally_of(change) part
    where series in ('status', 'took', 'microseconds', 'agrees') and at = '-infinity'
)
select series, name,
    case when series = 'took' then width_bucket(number, array(select alike from bucket order by 1)) else number end,
    sum(amount)::bigint
from part group by 1, 2, 3
union all
select 'within', '', extract(epoch from bound)::int, (
    select count(*) from approvals_decision
    where decided_by_kind = 'human' and status <> 'cancelled'
      and approvals_took(decided_at - created_at) = alike and decided_at - created_at <= bound
) from bucket
union all
select 'revoked', '', 0, count(*) from approvals_decision where status = 'revoked' and decided_by_kind = 'policy'
"""
Counted = dict[tuple[str, str, int], int]

# By priority: since when the oldest patch waits, and how many are past their time.
QUEUE_SQL = """
select priority,
    (select created_at from approvals_waiting where priority = wanted.priority order by created_at limit 1),
    (select count(*) from approvals_waiting where priority = wanted.priority and sla_due_at <= %s)
from unnest(%s::int[]) wanted (priority)
"""


class DatabaseCollector:
    """Prometheus collector of the reference API's five metrics and what an operator needs beyond."""

    def describe(self) -> list[Metric]:
        """Return nothing: registering must not need a database."""
        return []

    def collect(self) -> Iterator[Metric]:
        """Yield what says whether the product works first: what follows may take too long."""
        now = timezone.now()
        yield from _processes(now)
        bounds = [f"{bound} seconds" for bound in BUCKETS]
        counted = {(series, name, number): amount for series, name, number, amount in query(COUNTED_SQL, [bounds])}
        statuses = {
            str(status): sum(counted.get(("status", status, priority), 0) for priority in Priority) for status in Status
        }
        yield _decisions_total(statuses, counted["revoked", "", 0])
        yield _durations(counted)
        yield from _pending(counted, now)
        yield from _automation(counted, statuses)
        yield from _deployments(now)
        yield from _deliveries(now)


def _decisions_total(statuses: dict[str, int], revoked_of_policies: int) -> Metric:
    metric = CounterMetricFamily("hitl_decisions", "Changes to a non-pending status", labels=["decision_type"])
    before = {
        Status.APPROVED: statuses[Status.REVOKED] - revoked_of_policies,
        Status.AUTO_APPROVED: revoked_of_policies,
    }
    for status in Status:
        if status != Status.PENDING:
            metric.add_metric([status], statuses[status] + before.get(status, 0))
    return metric


def _durations(counted: Counted) -> Metric:
    buckets, below = [], 0
    for position, bound in enumerate(BUCKETS):
        below += counted.get(("took", "", position), 0)
        buckets.append((str(float(bound)), below + counted["within", "", bound]))
    buckets.append(("+Inf", below + counted.get(("took", "", len(BUCKETS)), 0)))
    metric = HistogramMetricFamily("hitl_decision_duration_seconds", "Seconds from arrival to a person's decision")
    metric.add_metric([], buckets=buckets, sum_value=counted.get(("microseconds", "", 0), 0) / 1_000_000)
    return metric


def _pending(counted: Counted, now: datetime) -> Iterator[Metric]:
    pending = GaugeMetricFamily("hitl_pending_patches", "Patches that wait for a decision", labels=["priority"])
    oldest = GaugeMetricFamily("hitl_oldest_pending_seconds", "Age of the oldest pending patch", labels=["priority"])
    breached = GaugeMetricFamily("hitl_sla_breached_patches", "Pending patches past their SLA", labels=["priority"])
    for number, since, late in query(QUEUE_SQL, [now, list(Priority)]):
        label = [Priority(number).name.lower()]
        pending.add_metric(label, counted.get(("status", Status.PENDING, number), 0))
        oldest.add_metric(label, max(0.0, (now - (since or now)).total_seconds()))
        breached.add_metric(label, late)
    yield from (pending, oldest, breached)


def _automation(counted: Counted, statuses: dict[str, int]) -> Iterator[Metric]:
    agreed, disagreed = (counted.get(("agrees", word, 0), 0) for word in ("true", "false"))
    predictions = CounterMetricFamily(
        "hitl_ml_predictions", "ML predictions that wargaming has tried", labels=["result"]
    )
    predictions.add_metric(["agreed"], agreed)
    predictions.add_metric(["disagreed"], disagreed)
    yield predictions
    decided = sum(statuses[status] for status in (Status.APPROVED, Status.AUTO_APPROVED, Status.REJECTED))
    # Absent rather than 0 when there is nothing to divide: a fresh install has no accuracy.
    for name, text, part, whole in (
        ("hitl_ml_accuracy", "Share of patches whose ML prediction and wargaming agree", agreed, agreed + disagreed),
        (
            "hitl_auto_approval_rate",
            "Auto-approved share of approved, auto-approved and rejected",
            statuses[Status.AUTO_APPROVED],
            decided,
        ),
    ):
        metric = GaugeMetricFamily(name, text)
        if whole:
            metric.add_metric([], part / whole)
        yield metric
    enforcing = sum(version.auto_approval == AutoApproval.ENFORCE for version in current_versions())
    yield _gauge(
        "hitl_auto_approval_enabled", "Whether the kill switch lets policies approve (1) or not (0)", not stopped_by()
    )
    yield _gauge("hitl_auto_approval_enforcing_policies", "Enabled policies that approve without a person", enforcing)


def _deployments(now: datetime) -> Iterator[Metric]:
    mismatches = CounterMetricFamily(
        "hitl_deploy_mismatches", "Alarms about deployments, by what is wrong", labels=["kind"]
    )
    for kind, count in deployments.alarms_by_kind().items():
        mismatches.add_metric([kind], count)
    yield mismatches
    forgotten = deployments.count(deployments.never_fetched(now))
    yield _gauge("hitl_never_fetched_patches", "Approved patches that no deployer has fetched in a day", forgotten)
    behind = GaugeMetricFamily("hitl_deployer_lag_positions", "Feed items a deployer has not read", labels=["deployer"])
    waiting = GaugeMetricFamily(
        "hitl_deployer_lag_seconds", "How long the first of them has waited", labels=["deployer"]
    )
    seen = GaugeMetricFamily("hitl_deployer_last_seen_seconds", "Since a deployer's last request", labels=["deployer"])
    for one in deployers():
        if one.read is not None:
            behind.add_metric([one.name], one.behind or 0)
            waiting.add_metric([one.name], one.seconds_behind(now))
        ago = max(0.0, (now - one.seen_at).total_seconds()) if one.seen_at else math.inf
        seen.add_metric([one.name], ago)
    yield from (behind, waiting, seen)


def _deliveries(now: datetime) -> Iterator[Metric]:
    counts = endpoints.counts(now)
    metric = GaugeMetricFamily(
        "hitl_deliveries",
        "Deliveries that wait, were given up, or arrived in the last hour",
        labels=["channel", "state"],
    )
    for channel in Channel:
        for state in (DeliveryState.PENDING, DeliveryState.DEAD, DeliveryState.DELIVERED):
            metric.add_metric([channel, state], counts.get((channel, state), 0))
    yield metric
    yield _gauge(
        "hitl_delivery_oldest_due_seconds",
        "How long a delivery that is due has not been tried",
        endpoints.oldest_due(now),
    )
    metric = GaugeMetricFamily("hitl_endpoints", "Endpoints that are told by webhook", labels=["state"])
    for name, number in endpoints.endpoint_states().items():
        metric.add_metric([name], number)
    yield metric


def _processes(now: datetime) -> Iterator[Metric]:
    yield _gauge("hitl_outbox_entries", "Audit entries that wait for the sequencer", backlog())
    waited = (now - (oldest_waiting() or now)).total_seconds()
    yield _gauge("hitl_outbox_oldest_seconds", "How long the oldest of them has waited", max(0.0, waited))
    beat = Heartbeat.objects.filter(name="worker").first()
    seen = max(0.0, (now - beat.seen_at).total_seconds()) if beat else math.inf
    yield _gauge("hitl_worker_last_seen_seconds", "Seconds since the worker's last heartbeat; +Inf: never seen", seen)


def _gauge(name: str, text: str, value: Any) -> Metric:
    return GaugeMetricFamily(name, text, value=float(value))
