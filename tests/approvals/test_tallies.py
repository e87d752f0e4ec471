"""What the tallies say is what a count of everything says, whatever happened and whoever asks when."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from io import StringIO
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from django.core.management import call_command
from django.db import connection, transaction
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from approvals.analytics import queries as charts
from approvals.models import NO_DEADLINE, Decision, User
from approvals.queries.summary import summary
from approvals.queries.tallies import LONG_AGO, tallied
from approvals.services.dispatch import dispatch
from approvals.services.tallies import refill
from tests.million import copy

pytestmark = pytest.mark.django_db
NOW = datetime(2026, 11, 20, 12, 7, 30, tzinfo=UTC)

# Each number of the summary, counted from all rows.
SUMMARY_SQL = """
select
    count(*),
    count(*) filter (where d.status = 'pending'),
    count(*) filter (where d.status = 'approved'),
    count(*) filter (where d.status = 'rejected'),
    count(*) filter (where d.status = 'auto_approved'),
    count(*) filter (where d.status = 'expired'),
    count(*) filter (where d.status = 'cancelled'),
    count(*) filter (where d.status = 'revoked'),
    count(*) filter (where d.status = 'changes_requested'),
    count(*) filter (where d.status = 'superseded'),
    avg(took) filter (where by_people),
    percentile_cont(0.5) within group (order by took) filter (where by_people),
    percentile_cont(0.95) within group (order by took) filter (where by_people),
    avg((p.ml_prediction = (p.wargaming = 'passed'))::int)
        filter (where p.ml_prediction is not null and p.wargaming in ('passed', 'failed')),
    avg((not late)::int) filter (where d.sla_due_at < %(never)s and (by_people or late)),
    count(*) filter (where d.status = 'pending' and d.sla_due_at < %(never)s and d.sla_due_at <= %(now)s)
from approvals_decision d join approvals_patch p on p.id = d.patch_id,
    lateral (
        select d.decided_by_kind = 'human' and d.status <> 'cancelled' as by_people,
               extract(epoch from d.decided_at - d.created_at) as took,
               coalesce(d.decided_at > d.sla_due_at, %(now)s >= d.sla_due_at) as late
    ) timing
where d.created_at >= %(since)s and d.created_at < %(until)s
"""
NAMES = [
    "total_patches",
    "pending",
    "approved",
    "rejected",
    "auto_approved",
    "expired",
    "cancelled",
    "revoked",
    "changes_requested",
    "superseded",
    "avg_decision_time_seconds",
    "median_decision_time_seconds",
    "p95_decision_time_seconds",
    "ml_accuracy",
    "sla_compliance",
    "sla_breached",
]
SLA_SQL = """
select priority, count(*) filter (where not late), count(*), count(*) filter (where status = 'pending')
from approvals_decision,
    lateral (select coalesce(decided_at > sla_due_at, %(now)s >= sla_due_at) as late) timing
where created_at >= %(since)s and created_at < %(until)s and sla_due_at < %(never)s
  and ((decided_by_kind = 'human' and status <> 'cancelled') or late)
group by priority
"""
STATUS_SQL = """
select priority, status, count(*) from approvals_decision
where created_at >= %(since)s and created_at < %(until)s group by 1, 2
"""
PER_DAY_SQL = """
select (decided_at at time zone %(zone)s)::date,
       case when status = 'revoked' then decided_by_kind else status end, count(*)
from approvals_decision
where status <> 'pending' and decided_at >= %(since)s and decided_at < %(until)s group by 1, 2
"""
DURATIONS_SQL = """
select width_bucket(extract(epoch from decided_at - created_at)::float / 60, %(bounds)s::float[]), count(*)
from approvals_decision
where status <> 'pending' and decided_by_kind = 'human' and decided_at >= %(since)s and decided_at < %(until)s
group by 1
"""


def rows(sql: str, **parameters: Any) -> list[tuple[Any, ...]]:
    with connection.cursor() as cursor:
        cursor.execute(sql, parameters)
        found: list[tuple[Any, ...]] = cursor.fetchall()
    return found


def agree(since: datetime | None, until: datetime | None) -> None:
    """Hold the summary and the charts of a period against counts of all rows."""
    period = {"since": since or LONG_AGO, "until": until or NO_DEADLINE, "now": NOW, "never": NO_DEADLINE}
    found = summary(since, until, NOW)
    [counted] = rows(SUMMARY_SQL, **period)
    expected = {
        name: value if value is None else pytest.approx(float(value))
        for name, value in zip(NAMES, counted, strict=True)
    }
    assert {name: found[name] for name in NAMES} == expected, (since, until)
    by_priority = {(number, status): count for number, status, count in rows(STATUS_SQL, **period)}
    assert sum(by_priority.values()) == found["total_patches"]
    for (number, status), count in by_priority.items():
        assert found["by_priority"][{4: "critical", 3: "high", 2: "medium", 1: "low"}[number]][status] == count


def charts_agree(since: datetime, until: datetime, zone: ZoneInfo) -> None:
    period = {"since": since, "until": until}
    expected = dict.fromkeys(range(len(charts.MINUTES) + 1), 0) | dict(
        rows(DURATIONS_SQL, bounds=list(charts.MINUTES), **period)
    )
    assert charts.durations(since, until) == [expected[position] for position in sorted(expected)]
    shown = charts.per_day(since, until, zone)
    for name, outcomes in charts.SERIES.items():
        counted = dict.fromkeys(shown.days, 0)
        for day, outcome, count in rows(PER_DAY_SQL, zone=zone.key, **period):
            counted[day] += count if outcome in outcomes else 0
        assert shown.series[name] == list(counted.values()), (name, zone)
    found = {
        row["priority"]: (row["met"], row["total"], row["waiting"]) for row in charts.sla(tallied(since, until, NOW))
    }
    late = {number: tuple(more) for number, *more in rows(SLA_SQL, now=NOW, never=NO_DEADLINE, **period)}
    assert found == dict.fromkeys(found, (0, 0, 0)) | late


SECONDS = st.one_of(st.integers(0, 400_000), st.sampled_from([0, 1, 59, 60, 61, 900, 3600, 86_400]))
ENDS = {
    "approved": "human",
    "auto_approved": "policy",
    "rejected": "human",
    "changes_requested": "human",
    "expired": "timer",
    "cancelled": "human",
    "superseded": "service",
    "revoked": "policy",
}
A_PATCH = st.fixed_dictionaries(
    {
        "ago": SECONDS,
        "priority": st.integers(1, 4),
        "due": st.none() | SECONDS,
        "predicts": st.sampled_from(["null", "true", "false"]),
        "wargaming": st.sampled_from(["passed", "failed", "inconclusive", "not_run"]),
        "raised": st.none() | st.integers(1, 4),
        "end": st.none() | st.sampled_from(sorted(ENDS)),
        "took": SECONDS,
        "then_revoked": st.booleans(),
    }
)


DUE_NOW = {
    "ago": 60,
    "priority": 1,
    "due": 60,
    "predicts": "null",
    "wargaming": "not_run",
    "raised": None,
    "end": None,
    "took": 0,
    "then_revoked": False,
}
"""It waits, and is late from this very moment on, as the queue says it too."""


@pytest.fixture
def free(make_patch: Callable[..., Decision]) -> Decision:
    """A decision to copy, in a database that takes any change of decisions but goes on tallying."""
    decision = make_patch(now=NOW - timedelta(days=40))
    with connection.cursor() as cursor:
        cursor.execute("set constraints all immediate")
        for table in ("approvals_patch", "approvals_decision"):
            cursor.execute(f"alter table {table} disable trigger user")
        for trigger in ("approvals_tally_insert", "approvals_tally_update", "approvals_waiting_keep"):
            cursor.execute(f"alter table approvals_decision enable trigger {trigger}")
        cursor.execute(
            "select conname from pg_constraint where conrelid = 'approvals_decision'::regclass and contype = 'c'"
        )
        for (name,) in cursor.fetchall():
            cursor.execute(f"alter table approvals_decision drop constraint {name}")
    return decision


def live(model: Decision, number: int, patch: dict[str, Any]) -> None:
    """Let a patch arrive, its priority be raised, and its decision end."""
    arrived = NOW - timedelta(seconds=patch["ago"])
    at, key = f"'{arrived.isoformat()}'::timestamptz", str(model.pk + number)
    due = NO_DEADLINE if patch["due"] is None else arrived + timedelta(seconds=patch["due"])
    with connection.cursor() as cursor:
        made = {"created_at": at, "id": key}
        facts = {"patch_id": f"'COPY-{number}'", "ml_prediction": f"{patch['predicts']}::boolean"}
        facts |= {"wargaming": f"'{patch['wargaming']}'"}
        copy(cursor, "approvals_patch", f"id = {model.patch_id}", 1, 1, made | facts)
        facts = {"decision_id": "gen_random_uuid()", "patch_id": key, "priority": str(patch["priority"])}
        facts |= {"sla_due_at": f"'{due.isoformat()}'"}
        copy(cursor, "approvals_decision", f"id = {model.pk}", 1, 1, made | facts)
        if patch["raised"]:
            cursor.execute("update approvals_decision set priority = %s where id = %s", [patch["raised"], key])
        if patch["end"]:
            ended = [patch["end"], ENDS[patch["end"]], arrived + timedelta(seconds=patch["took"]), key]
            cursor.execute(
                "update approvals_decision set status = %s, decided_by_kind = %s, decided_at = %s where id = %s", ended
            )
        if patch["end"] in {"approved", "auto_approved"} and patch["then_revoked"]:
            cursor.execute("update approvals_decision set status = 'revoked' where id = %s", [key])


@settings(max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    patches=st.lists(A_PATCH, max_size=8),
    folds=st.lists(st.integers(1, 9), max_size=3),
    spans=st.lists(st.tuples(SECONDS, SECONDS), min_size=1, max_size=3),
    zone=st.sampled_from(["UTC", "America/Chicago", "Asia/Kathmandu", "Australia/Adelaide"]),
)
@example(patches=[DUE_NOW], folds=[], spans=[(86_400, 0)], zone="UTC")
def test_tallies_are_what_a_full_count_finds(
    free: Decision, patches: list[dict[str, Any]], folds: list[int], spans: list[tuple[int, int]], zone: str
) -> None:
    with transaction.atomic():
        for number, patch in enumerate(patches, start=1):
            live(free, number, patch)
            for most in folds[number - 1 : number]:
                rows("select approvals_tally_fold(%(most)s)", most=most)
        agree(None, None)
        for one, other in spans:
            since, until = sorted(NOW - timedelta(seconds=seconds) for seconds in (one, other))
            agree(since, until)
            agree(since, None)
            agree(None, until)
            midnight = since.astimezone(ZoneInfo(zone)).replace(hour=0, minute=0, second=0, microsecond=0)
            charts_agree(midnight, NOW, ZoneInfo(zone))
        assert refill() == [], "what is kept and what waits to be added is what there is"
        transaction.set_rollback(True)


def test_the_sequencer_adds_what_changed_and_nothing_is_counted_twice(
    make_patch: Callable[..., Decision], approve: Callable[..., Decision], alice: User
) -> None:
    approve(make_patch(), alice)
    make_patch()
    before = summary(None, None, NOW)
    assert rows("select count(*) from approvals_tally") == [(0,)]
    dispatch()
    assert rows("select count(*) from approvals_tallychange") == [(0,)]
    assert summary(None, None, NOW) == before
    assert (before["total_patches"], before["approved"], before["pending"]) == (2, 1, 1)
    assert rows("select count(*) from approvals_tally where amount = 0") == [(0,)], "an empty tally is no row"


def test_tallies_that_are_wrong_are_named_and_set_right(make_patch: Callable[..., Decision]) -> None:
    make_patch()
    dispatch()
    right = summary(None, None, NOW)
    rows("update approvals_tally set amount = 7 where series = 'status' and at = '-infinity' returning 1")
    rows("delete from approvals_tally where series = 'sla' or series = 'due' returning 1")
    assert summary(None, None, NOW) != right
    said = StringIO()
    call_command("refill_tallies", stdout=said)
    assert "status pending 2 of -infinity: was 7, is 1" in said.getvalue()
    assert "tallies differed and were set right" in said.getvalue()
    assert summary(None, None, NOW) == right
    said = StringIO()
    call_command("refill_tallies", stdout=said)
    assert said.getvalue() == "No tally differed.\n"


@pytest.mark.parametrize("edge", ["0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-12:00", "1969-12-31T00:00:00Z"])
def test_the_ends_of_time_are_periods_too(make_patch: Callable[..., Decision], edge: str) -> None:
    make_patch()
    at = datetime.fromisoformat(edge)
    assert summary(at, None, NOW)["total_patches"] == (at.year < 2000)
    assert summary(None, at, NOW)["total_patches"] == (at.year > 2000)
