"""Health, readiness and metrics."""

import math
from collections import namedtuple
from datetime import timedelta
from ipaddress import ip_network
from typing import Any

import pytest
from django.conf import settings
from django.db import OperationalError, connection
from django.db.migrations.recorder import MigrationRecorder
from django.test import Client
from django.utils import timezone
from prometheus_client.parser import text_string_to_metric_families

import approvals.metrics
from approvals.models import Policy, Verdict
from approvals.services import lifecycle
from approvals.services.dispatch import dispatch, heartbeat
from hitl import ops
from tests.cast import Api, actor_for, republish

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


@pytest.mark.parametrize("migrated", [True, False])
def test_an_old_web_process_stays_ready_when_a_newer_release_has_migrated(migrated, monkeypatch):
    """It runs on until its turn in the rollout comes; what is missing of its own is missed all the same."""
    monkeypatch.setattr(ops, "known", {"migrated": False})
    heartbeat("worker", timezone.now())
    recorder = MigrationRecorder(connection)
    recorder.record_applied("approvals", "9999_of_the_next_release")
    recorder.record_applied("an_app_of_the_next_release", "0001_initial")
    if not migrated:
        newest = max(name for app, name in recorder.applied_migrations() if app == "audit")
        recorder.record_unapplied("audit", newest)
    answer = Client().get("/readyz")
    assert answer.json() == {"ready": migrated, "missing": [] if migrated else ["migrations"]}


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


def test_metrics_without_a_database_say_so_and_have_what_needs_none(no_database):
    """'Service down' and 'database down' are told apart by it."""
    found = samples(Client().get("/metrics"))
    assert found["hitl_database_up",] == 0
    assert found["hitl_build_info", ("version", settings.VERSION)] == 1
    assert 0 < found["hitl_disk_used_ratio",] < 1
    assert ("django_http_requests_before_middlewares_total",) in found
    assert not {"hitl_decisions_total", "hitl_pending_patches", "hitl_outbox_entries"} & {name for name, *_ in found}
    assert samples(Client().get("/metrics"))["hitl_database_up",] == 0


def test_what_the_database_had_answered_before_it_stopped_is_kept(monkeypatch):
    """Whether the worker lives is asked first, so that its alert stays while a large count takes too long."""

    def too_slow(*_: object) -> Any:
        raise OperationalError("the database did not answer in time")

    monkeypatch.setattr(approvals.metrics, "query", too_slow)
    heartbeat("worker", timezone.now())
    found = samples(Client().get("/metrics"))
    assert (found["hitl_database_up",], found["hitl_outbox_entries",]) == (1, 0)
    assert found["hitl_worker_last_seen_seconds",] < 60
    assert not [name for name, *_ in found if name == "hitl_decisions_total"]


def test_metrics_need_no_database_to_know_their_own_token(settings, no_database):
    settings.METRICS_ALLOWED_IPS = []
    settings.METRICS_TOKEN = "q" * 32
    client = Client()
    answer = client.get("/metrics", headers={"Authorization": f"Bearer {'q' * 32}"})
    assert samples(answer)["hitl_database_up",] == 0
    others = ["", "Bearer ", f"Bearer {'q' * 31}", f"Bearer {'q' * 33}", f"Basic {'q' * 32}", f"Bearer {'q' * 31}é"]
    for other in others:
        assert client.get("/metrics", headers={"Authorization": other}).status_code == 401, other


def test_a_token_of_the_database_cannot_be_known_without_it(settings, monkeypatch):
    def away(_: object) -> Any:
        raise OperationalError("gone")

    settings.METRICS_ALLOWED_IPS = []
    monkeypatch.setattr(ops, "by_token", away)
    answer = Client().get("/metrics", headers={"Authorization": "Bearer hitl_12345678_x"})
    assert answer.status_code == 503
    assert "METRICS_TOKEN" in answer.json()["detail"]


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize(("sent", "beside"), [("hitl_12345678_x", 0), ("q" * 32, 1)])
def test_a_token_that_nobody_knows_gets_no_connection_beside_the_pool(settings, monkeypatch, sent, beside):
    """Else strangers would open as many as there are threads, and leave none of the server's to anybody."""
    made = []
    real = connection.connect_apart
    monkeypatch.setattr(connection, "connect_apart", lambda parameters: made.append(1) or real(parameters))
    settings.METRICS_ALLOWED_IPS = []
    settings.METRICS_TOKEN = "q" * 32
    connection.close()
    answer = Client().get("/metrics", headers={"Authorization": f"Bearer {sent}"})
    assert (answer.status_code, len(made)) == (200 if beside else 401, beside)
    connection.close()


def test_no_metrics_token_lets_nobody_in(settings):
    settings.METRICS_ALLOWED_IPS = []
    for sent in ("Bearer ", "Bearer", ""):
        assert Client().get("/metrics", headers={"Authorization": sent}).status_code == 401


def test_a_worker_that_was_never_seen_is_silent_for_ever():
    """Absent, it would fire no alert."""
    assert samples(Client().get("/metrics"))["hitl_worker_last_seen_seconds",] == math.inf
    heartbeat("worker", timezone.now() - timedelta(seconds=30))
    assert samples(Client().get("/metrics"))["hitl_worker_last_seen_seconds",] == pytest.approx(30, abs=10)


def test_the_age_of_the_oldest_entry_without_a_place(make_patch):
    dispatch()
    assert samples(Client().get("/metrics"))["hitl_outbox_oldest_seconds",] == 0
    make_patch(now=timezone.now() - timedelta(seconds=100))
    make_patch()
    found = samples(Client().get("/metrics"))
    assert found["hitl_outbox_entries",] == 2
    assert found["hitl_outbox_oldest_seconds",] == pytest.approx(100, abs=30)
    dispatch()
    found = samples(Client().get("/metrics"))
    assert (found["hitl_outbox_entries",], found["hitl_outbox_oldest_seconds",]) == (0, 0)


def test_whether_automatic_approval_is_enforced(settings):
    """Its alert is silent outside."""
    found = samples(Client().get("/metrics"))
    assert (found["hitl_auto_approval_enabled",], found["hitl_auto_approval_enforcing_policies",]) == (1, 0)
    republish(Policy.objects.get(name="low"), auto_approval="enforce")
    assert samples(Client().get("/metrics"))["hitl_auto_approval_enforcing_policies",] == 1
    settings.AUTO_APPROVE_ENABLED = False
    assert samples(Client().get("/metrics"))["hitl_auto_approval_enabled",] == 0


def test_predictions_are_counted_by_what_wargaming_said(make_patch):
    found = samples(Client().get("/metrics"))
    assert found["hitl_ml_predictions_total", ("result", "agreed")] == 0
    assert found["hitl_ml_predictions_total", ("result", "disagreed")] == 0
    run = {"phase1_success": True, "phase2_success": True, "validation_passed": True}
    for prediction in (True, True, False):
        make_patch(ml_prediction={"confidence": 0.5, "prediction": prediction}, wargaming_result=run)
    for _ in range(2):  # before and after the sequencer has added it to the tallies
        found = samples(Client().get("/metrics"))
        assert found["hitl_ml_predictions_total", ("result", "agreed")] == 2
        assert found["hitl_ml_predictions_total", ("result", "disagreed")] == 1
        dispatch()


def test_times_at_the_bounds_of_a_bucket_are_within_it(make_patch, approve, alice):
    """Prometheus's `le` is inclusive; tallies put times together that are nearly alike."""
    now = timezone.now()
    for seconds in (59.9999, 60, 60.000001, 60.3, 299.5, 300, 300.5, 86_400, 86_400.5, 200_000):
        approve(make_patch(now=now - timedelta(seconds=seconds)), alice, now=now)
    for _ in range(2):
        found = samples(Client().get("/metrics"))
        name = "hitl_decision_duration_seconds_bucket"
        bounds = {"60.0": 2, "300.0": 6, "600.0": 7, "14400.0": 7, "86400.0": 8, "+Inf": 10}
        assert {bound: found[name, ("le", bound)] for bound in bounds} == bounds
        assert found["hitl_decision_duration_seconds_sum",] == pytest.approx(373_940.8, abs=0.1)
        dispatch()


def test_all_that_is_reported_has_a_name_prometheus_likes():
    """`promtool check metrics` knows more; what it says of a running product is asked in tests/ops."""
    text = Client().get("/metrics").content.decode()
    ours = [line.split()[2:4] for line in text.splitlines() if line.startswith("# TYPE hitl_")]
    assert ours
    for name, kind in ours:
        assert name.endswith("_total") is (kind == "counter"), name
