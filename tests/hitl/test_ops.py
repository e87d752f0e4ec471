"""Health, readiness and metrics."""

from collections import namedtuple
from datetime import timedelta
from ipaddress import ip_network
from typing import Any

import pytest
from django.db import OperationalError
from django.test import Client
from django.utils import timezone
from prometheus_client.parser import text_string_to_metric_families

from approvals.models import Verdict
from approvals.services import lifecycle
from approvals.services.dispatch import dispatch, heartbeat
from hitl import ops
from tests.cast import Api, actor_for

pytestmark = pytest.mark.django_db
Usage = namedtuple("Usage", "total used free")


def test_healthz_asks_nothing(no_database, django_assert_num_queries):
    with django_assert_num_queries(0):
        assert Client().get("/healthz").status_code == 200


def test_ready_needs_a_worker_seen_within_a_minute():
    client = Client()
    assert client.get("/readyz").json() == {"ready": False, "missing": ["worker"]}
    heartbeat("worker", timezone.now() - timedelta(seconds=61))
    assert client.get("/readyz").status_code == 503
    heartbeat("worker", timezone.now() - timedelta(seconds=50))
    answer = client.get("/readyz")
    assert (answer.status_code, answer.json()) == (200, {"ready": True, "missing": []})


def test_who_distributes_requests_leaves_the_worker_out_and_nothing_else(monkeypatch):
    """Every web process would be taken out of service a minute after the worker has stopped."""
    client = Client()
    assert client.get("/readyz?without=worker").json() == {"ready": True, "missing": []}
    for query in ("without=migrations", "without=database", "without=", "worker", "without=workers"):
        assert client.get(f"/readyz?{query}").json()["missing"] == ["worker"], query
    monkeypatch.setitem(ops._known, "migrated", False)
    monkeypatch.setattr(ops.MigrationExecutor, "migration_plan", lambda *_: ["one"])
    assert client.get("/readyz?without=worker").json() == {"ready": False, "missing": ["migrations"]}


def test_without_a_database_nobody_is_sent_here(no_database):
    assert Client().get("/readyz?without=worker").json() == {"ready": False, "missing": ["database"]}


def test_without_a_database_nothing_is_ready_and_it_is_asked_once(no_database, django_assert_num_queries):
    """Each further question would wait for the pool again."""
    with django_assert_num_queries(0):
        answer = Client().get("/readyz")
    assert no_database.asked == 1
    assert (answer.status_code, answer.json()["ready"]) == (503, False)
    assert "database" in answer.json()["missing"]


def test_health_has_s1s_shape_and_names_no_path():
    answer = Client().get("/health")
    body = answer.json()
    assert answer.status_code == 200
    assert set(body) == {"status", "service", "version", "timestamp", "checks"}
    assert body["service"] == "hitl-patch-service"
    assert set(body["checks"]) == {"database", "disk"}
    assert set(body["checks"]["disk"]) == {"status", "message", "free_gb", "total_gb"}
    assert "/" not in answer.content.decode().replace("+00:00", "")


@pytest.mark.parametrize(
    ("used", "database", "status", "word"),
    [
        (50, True, 200, "healthy"),
        (95, True, 200, "degraded"),
        (50, False, 503, "unhealthy"),
        (95, False, 503, "unhealthy"),
    ],
)
def test_a_full_disk_never_hides_a_lost_database(request, monkeypatch, used, database, status, word):
    if not database:
        request.getfixturevalue("no_database")
    monkeypatch.setattr(ops.shutil, "disk_usage", lambda _: Usage(100e9, used * 1e9, (100 - used) * 1e9))
    answer = Client().get("/health")
    assert (answer.status_code, answer.json()["status"]) == (status, word)
    assert answer.get("X-Health-Status") == ("degraded" if word == "degraded" else None)


@pytest.mark.parametrize("path", ["/healthz", "/readyz", "/health", "/metrics"])
def test_probes_take_get_and_head_only_and_any_host(path):
    client = Client()
    assert client.post(path).status_code == 405
    assert client.get(path, headers={"Host": "10.1.2.3:8027"}).status_code in {200, 503}
    assert client.head(path).content == b""


def samples(answer) -> dict[tuple[Any, ...], float]:
    """Return every sample by name and labels; parsing fails on text that Prometheus could not read."""
    assert answer.status_code == 200
    return {
        (sample.name, *sorted(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(answer.content.decode())
        for sample in family.samples
    }


def test_metrics_count_what_is_in_the_database(make_patch, approve, alice):
    now = timezone.now()
    approve(make_patch(now=now - timedelta(seconds=60)), alice, now=now)
    approve(make_patch(now=now - timedelta(seconds=61)), alice, Verdict.REJECT, now=now)
    make_patch(severity="critical", now=now - timedelta(hours=1))
    make_patch(severity="low")
    dispatch()
    found = samples(Client().get("/metrics"))
    assert found["hitl_decisions_total", ("decision_type", "approved")] == 1
    assert found["hitl_decisions_total", ("decision_type", "rejected")] == 1
    assert found["hitl_decisions_total", ("decision_type", "expired")] == 0
    assert found["hitl_decision_duration_seconds_bucket", ("le", "60.0")] == 1
    assert found["hitl_decision_duration_seconds_bucket", ("le", "300.0")] == 2
    assert found["hitl_decision_duration_seconds_bucket", ("le", "+Inf")] == 2
    assert found["hitl_decision_duration_seconds_count",] == 2
    assert found["hitl_decision_duration_seconds_sum",] == pytest.approx(121)
    assert found["hitl_pending_patches", ("priority", "critical")] == 1
    assert found["hitl_pending_patches", ("priority", "medium")] == 0
    assert found["hitl_sla_breached_patches", ("priority", "critical")] == 1
    assert found["hitl_oldest_pending_seconds", ("priority", "critical")] == pytest.approx(3600, abs=60)
    assert found["hitl_auto_approval_rate",] == 0


def test_rates_of_nothing_are_absent_not_zero():
    """Gauges that start at 0 fire the accuracy alert on a fresh install."""
    found = samples(Client().get("/metrics"))
    assert ("hitl_ml_accuracy",) not in found
    assert ("hitl_auto_approval_rate",) not in found
    assert found["hitl_pending_patches", ("priority", "critical")] == 0


def test_accuracy_is_of_patches_with_both_results(make_patch):
    run = {"phase1_success": True, "phase2_success": True, "validation_passed": True}
    for prediction in (True, True, False):
        make_patch(ml_prediction={"confidence": 0.5, "prediction": prediction}, wargaming_result=run)
    make_patch(ml_prediction={"confidence": 0.5, "prediction": True})
    assert samples(Client().get("/metrics"))["hitl_ml_accuracy",] == pytest.approx(2 / 3)


def test_counters_never_fall(make_patch, approve, alice, lena):
    decision = make_patch()
    approve(decision, alice)
    lifecycle.revoke(decision.decision_id, "It broke.", user=lena, actor=actor_for(lena), now=timezone.now())
    dispatch()
    found = samples(Client().get("/metrics"))
    assert found["hitl_decisions_total", ("decision_type", "approved")] == 1
    assert found["hitl_decisions_total", ("decision_type", "revoked")] == 1


def test_metrics_are_for_the_allowed_and_for_tokens_with_the_scope(settings, token_for, alice):
    settings.METRICS_ALLOWED_IPS = [ip_network("192.0.2.0/24")]
    assert Client(REMOTE_ADDR="192.0.2.9").get("/metrics").status_code == 200
    answer = Client().get("/metrics")
    assert (answer.status_code, answer["Content-Type"]) == (401, "application/problem+json")
    signed_in = Client()
    signed_in.force_login(alice)
    assert signed_in.get("/metrics").status_code == 401
    assert Api(token_for("deployer", "argo")).get("/metrics").status_code == 403
    assert Api(token_for("monitor", "prometheus")).get("/metrics").status_code == 200


def test_a_proxy_on_the_same_machine_does_not_open_the_metrics_to_the_world():
    """The caller behind an untrusted proxy is unknown, whatever address the proxy itself has."""
    answer = Client().get("/metrics", headers={"X-Forwarded-For": "203.0.113.9"})
    assert answer.status_code == 401


def test_metrics_without_a_database_are_503(monkeypatch):
    def away(_: object) -> bytes:
        raise OperationalError("gone")

    monkeypatch.setattr(ops, "generate_latest", away)
    assert Client().get("/metrics").status_code == 503
