"""Metrics counted in the database at scrape time, so that every process answers the same and nothing falls."""

from collections.abc import Iterator
from datetime import datetime

from django.db.models import Count, Min, Q
from django.utils import timezone
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric

from approvals.models import FeedEntry, Heartbeat, Priority, Status, Waiting
from audit.sequencing import backlog
from postgresql.statements import query

BUCKETS = (60, 300, 600, 900, 1800, 3600, 14_400, 86_400)

# width_bucket's lower bounds are inclusive and Prometheus's `le` is too, hence the microsecond.
DURATIONS_SQL = """
select width_bucket(seconds, %s::float[]) as bucket, count(*), coalesce(sum(seconds), 0)
from (
    select extract(epoch from feed.at - decision.created_at)::float as seconds
    from approvals_feedentry feed join approvals_decision decision on decision.id = feed.decision_id
    where feed.status in ('approved', 'rejected', 'changes_requested')
) taken group by bucket
"""

RATES_SQL = """
select avg((p.ml_prediction = (p.wargaming = 'passed'))::int)
           filter (where p.ml_prediction is not null and p.wargaming in ('passed', 'failed')),
       avg((d.status = 'auto_approved')::int) filter (where d.status in ('approved', 'auto_approved', 'rejected'))
from approvals_decision d join approvals_patch p on p.id = d.patch_id
"""


class DatabaseCollector:
    """Prometheus collector of the reference API's five metrics and what an operator needs beyond."""

    def describe(self) -> list[Metric]:
        """Return nothing: registering must not need a database."""
        return []

    def collect(self) -> Iterator[Metric]:
        now = timezone.now()
        yield _decisions_total()
        yield _durations()
        yield from _pending(now)
        yield from _rates()
        yield from _processes(now)


def _decisions_total() -> Metric:
    metric = CounterMetricFamily("hitl_decisions", "Changes to a non-pending status", labels=["decision_type"])
    counts = {str(status): 0 for status in Status if status != Status.PENDING}
    counts |= dict(FeedEntry.objects.values_list("status").annotate(Count("pk")))
    for status, count in counts.items():
        metric.add_metric([status], count)
    return metric


def _durations() -> Metric:
    found = query(DURATIONS_SQL, [[bound + 1e-6 for bound in BUCKETS]])
    rows = {bucket: (count, total) for bucket, count, total in found}
    buckets, running = [], 0
    for position, bound in enumerate([*map(str, map(float, BUCKETS)), "+Inf"]):
        running += rows.get(position, (0, 0))[0]
        buckets.append((bound, running))
    metric = HistogramMetricFamily("hitl_decision_duration_seconds", "Seconds from arrival to a person's decision")
    metric.add_metric([], buckets=buckets, sum_value=float(sum(total for _, total in rows.values())))
    return metric


def _pending(now: datetime) -> Iterator[Metric]:
    past_sla = Count("pk", filter=Q(sla_due_at__lte=now))
    by_priority = Waiting.objects.values_list("priority")
    grouped = by_priority.annotate(count=Count("pk"), oldest=Min("created_at"), past_sla=past_sla)
    rows = {Priority(priority): counts for priority, *counts in grouped}
    pending = GaugeMetricFamily("hitl_pending_patches", "Patches that wait for a decision", labels=["priority"])
    oldest = GaugeMetricFamily("hitl_oldest_pending_seconds", "Age of the oldest pending patch", labels=["priority"])
    breached = GaugeMetricFamily("hitl_sla_breached_patches", "Pending patches past their SLA", labels=["priority"])
    for priority in Priority:
        count, since, late = rows.get(priority, (0, now, 0))
        label = [priority.name.lower()]
        pending.add_metric(label, count)
        oldest.add_metric(label, max(0.0, (now - since).total_seconds()))
        breached.add_metric(label, late)
    yield from (pending, oldest, breached)


def _rates() -> Iterator[Metric]:
    [(accuracy, rate)] = query(RATES_SQL)
    # Absent rather than 0 when there is nothing to divide: a fresh install must not fire the accuracy alert.
    for name, text, value in (
        ("hitl_ml_accuracy", "Share of patches whose ML prediction and wargaming agree", accuracy),
        ("hitl_auto_approval_rate", "Auto-approved share of approved, auto-approved and rejected", rate),
    ):
        metric = GaugeMetricFamily(name, text)
        if value is not None:
            metric.add_metric([], float(value))
        yield metric


def _processes(now: datetime) -> Iterator[Metric]:
    waiting = GaugeMetricFamily("hitl_outbox_entries", "Audit entries that wait for the sequencer")
    waiting.add_metric([], backlog())
    yield waiting
    seen = GaugeMetricFamily("hitl_worker_last_seen_seconds", "Seconds since the worker's last heartbeat")
    beat = Heartbeat.objects.filter(name="worker").first()
    if beat:
        seen.add_metric([], max(0.0, (now - beat.seen_at).total_seconds()))
    yield seen
