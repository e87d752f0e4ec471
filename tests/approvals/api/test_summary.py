"""GET /hitl/analytics/summary: each number against data made by hand."""

from datetime import UTC, datetime, timedelta

import pytest
from django.utils import timezone

from approvals.models import Channel, Verdict
from approvals.queries.summary import summary
from approvals.services import lifecycle, timers
from tests.cast import SYSTEM, Api, actor_for

pytestmark = pytest.mark.django_db
START = datetime(2026, 11, 1, 9, tzinfo=UTC)


def minutes(number: float) -> timedelta:
    return timedelta(minutes=number)


def test_an_empty_install_has_counts_of_zero_and_no_rates(token_for):
    numbers = Api(token_for("monitor", "grafana")).get("/hitl/analytics/summary").json()
    assert (numbers["total_patches"], numbers["pending"], numbers["approved"]) == (0, 0, 0)
    for name in ("avg_decision_time_seconds", "ml_accuracy", "auto_approval_rate", "sla_compliance", "mttr_seconds"):
        assert numbers[name] is None, name
    assert set(numbers) >= {
        "total_patches",
        "pending",
        "approved",
        "rejected",
        "auto_approved",
        "avg_decision_time_seconds",
        "ml_accuracy",
        "median_decision_time_seconds",
        "p95_decision_time_seconds",
        "expired",
        "cancelled",
        "revoked",
        "changes_requested",
        "auto_approval_rate",
        "sla_compliance",
        "false_positive_rate",
        "mttr_seconds",
        "patch_success_rate",
        "by_priority",
    }


def test_counts_by_what_became_of_them(make_patch, approve, alice, lena):
    made = [make_patch(now=START) for _ in range(7)]
    approve(made[0], alice, now=START + minutes(1))
    approve(made[1], alice, Verdict.REJECT, now=START + minutes(1))
    approve(made[2], alice, Verdict.REQUEST_CHANGES, now=START + minutes(1))
    approve(made[3], alice, now=START + minutes(1))
    lifecycle.revoke(made[3].decision_id, "It broke.", user=lena, actor=actor_for(lena), now=START + minutes(9))
    lifecycle.cancel(
        made[4].decision_id, "No.", actor=actor_for(lena), now=START + minutes(2), channel=Channel.API, user=lena
    )
    make_patch(patch_id=made[5].patch.patch_id, title="other", now=START + minutes(3))
    numbers = summary(None, None, START + minutes(10))
    counted = {
        name: numbers[name] for name in ("total_patches", "pending", "approved", "rejected", "changes_requested")
    }
    assert counted == {"total_patches": 8, "pending": 2, "approved": 1, "rejected": 1, "changes_requested": 1}
    assert (numbers["revoked"], numbers["cancelled"], numbers["superseded"], numbers["expired"]) == (1, 1, 1, 0)
    assert numbers["auto_approval_rate"] == 0
    assert numbers["by_priority"]["medium"]["pending"] == 2
    assert numbers["by_priority"]["critical"]["pending"] == 0


def test_decision_times_are_of_people_who_decided(make_patch, approve, alice, lena):
    for wait in (1, 2, 3, 10):
        approve(make_patch(now=START), alice, now=START + minutes(wait))
    tidied = make_patch(now=START)
    lifecycle.cancel(
        tidied.decision_id, "No.", actor=actor_for(lena), now=START + minutes(900), channel=Channel.API, user=lena
    )
    expired = make_patch(now=START)
    assert timers.expire_due(expired.expire_at) == 1
    numbers = summary(None, None, START + timedelta(days=30))
    assert numbers["avg_decision_time_seconds"] == pytest.approx(4 * 60)
    assert numbers["median_decision_time_seconds"] == pytest.approx(2.5 * 60)
    assert numbers["p95_decision_time_seconds"] == pytest.approx((3 + 7 * 0.85) * 60)


def test_a_revoked_approval_keeps_the_time_it_took(make_patch, approve, alice, lena):
    decision = make_patch(now=START)
    approve(decision, alice, now=START + minutes(4))
    lifecycle.revoke(decision.decision_id, "It broke.", user=lena, actor=actor_for(lena), now=START + minutes(500))
    assert summary(None, None, timezone.now())["avg_decision_time_seconds"] == pytest.approx(240)


def test_ml_accuracy_is_of_patches_with_both_results(make_patch):
    """The reference API divides by all rows in one place and by eligible ones in another."""
    good = {"phase1_success": True, "phase2_success": True, "validation_passed": True}
    bad, inconclusive = good | {"phase2_success": False}, good | {"phase1_success": False}
    for prediction, run in [
        (True, good),
        (True, bad),
        (False, bad),
        (False, good),
        (False, bad),
        (True, None),
        (None, good),
        (False, inconclusive),
        (None, None),
    ]:
        ml = None if prediction is None else {"confidence": 0.5, "prediction": prediction}
        make_patch(ml_prediction=ml, wargaming_result=run)
    assert summary(None, None, timezone.now())["ml_accuracy"] == pytest.approx(3 / 5)


def test_sla_compliance_counts_people_in_time_and_whatever_is_late(make_patch, approve, alice, producer):
    approve(make_patch(now=START), alice, now=START + minutes(14))  # in time
    approve(make_patch(now=START), alice, now=START + minutes(16))  # late
    withdrawn = make_patch(now=START)  # ended in time, but by nobody's decision
    lifecycle.cancel(
        withdrawn.decision_id, "No.", actor=SYSTEM, now=START + minutes(1), channel=Channel.API, producer=producer
    )
    make_patch(severity="low", now=START)  # has no SLA
    make_patch(now=START + minutes(10))  # waits, and is late in the end
    for passed, compliance, breached in [(17, 1 / 2, 0), (26, 1 / 3, 1)]:
        numbers = summary(None, None, START + minutes(passed))
        assert (numbers["sla_compliance"], numbers["sla_breached"]) == (pytest.approx(compliance), breached)


def test_the_period_is_of_arrival_from_since_up_to_until(make_patch, token_for):
    for day in range(3):
        make_patch(now=START + timedelta(days=day))
    api = Api(token_for("monitor", "grafana"))

    def total(**period) -> int:
        return int(api.get("/hitl/analytics/summary", **period).json()["total_patches"])

    second = (START + timedelta(days=1)).isoformat()
    assert (total(), total(since=second), total(until=second)) == (3, 2, 1)
    assert total(since=second, until=(START + timedelta(days=2)).isoformat()) == 1


def test_a_time_without_an_offset_is_422(token_for):
    answer = Api(token_for("monitor", "grafana")).get("/hitl/analytics/summary", since="2026-01-01T00:00:00")
    assert (answer.status_code, answer.json()["errors"][0]["loc"]) == (422, ["query", "since"])
