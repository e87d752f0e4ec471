"""A running product, scraped by Debian's Prometheus with our files: metrics, rules, every query of the dashboards, and
an alert on its way to a receiver."""

import http.client
import json
import secrets
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from tests.cast import document
from tests.hitl.test_serve import copy_prepared, wait_until
from tests.soak.product import Product, running

from .dashboards import expressions
from .watching import Prometheus, Receiver, receiving, watching

pytestmark = [
    pytest.mark.ops("prometheus", "prometheus-alertmanager", "promtool"),
    pytest.mark.skipif(not Path("/proc/self/environ").exists(), reason="looks for processes in /proc"),
]


class Watched(NamedTuple):
    """What runs for all tests of this file."""

    product: Product
    token: str
    prometheus: Prometheus
    receiver: Receiver


@pytest.fixture(scope="module")
def watched(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Watched]:
    """Serve, watch, and let people decide while it is scraped."""
    directory, token = tmp_path_factory.mktemp("watched"), secrets.token_hex(32)
    copy_prepared(tmp_path_factory, directory / "data")
    (directory / "token").write_text(token)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("METRICS_TOKEN_FILE", str(directory / "token"))
        patch.setenv("METRICS_ALLOWED_IPS", "192.0.2.1")
        with (
            running(directory) as product,
            receiving() as receiver,
            watching(directory / "watch", product.port, directory / "token", receiver) as prometheus,
        ):
            assert wait_until(lambda: prometheus.values("hitl_database_up") == [1])
            decide(product, 3)
            assert wait_until(lambda: increased(prometheus))
            yield Watched(product, token, prometheus, receiver)


def increased(prometheus: Prometheus) -> bool:
    """Tell whether decisions and predictions have been scraped and recorded."""
    decided = prometheus.values("sum(increase(hitl:decisions:total[1h]))")
    tried = prometheus.values("sum(increase(hitl:ml_predictions:total[1h]))")
    return bool(decided and tried) and decided[0] > 4 and tried[0] > 2


def decide(product: Product, times: int) -> None:
    """Send patches, approve one, reject one and let one wait; and ask for what is not there."""
    for number in range(times):
        for name in ("approve", "reject", ""):
            patch_id = f"{name or 'wait'}-{number}"
            prediction = {"confidence": 0.9, "prediction": number % 2 == 0}
            run = {"phase1_success": True, "phase2_success": True, "validation_passed": True}
            sent = document(patch_id=patch_id, severity="low", ml_prediction=prediction, wargaming_result=run)
            status, made = ask(product, "POST", "/hitl/patches", product.producer, sent)
            assert status == 201, made
            if name:
                verdict = {"decision_id": made["decision_id"], "patch_sha256": made["patch_sha256"]}
                verdict |= {"reason": "It breaks the build."} if name == "reject" else {}
                status, told = ask(product, "POST", f"/hitl/patches/{patch_id}/{name}", product.people[0], verdict)
                assert status == 200, told
        assert ask(product, "GET", "/hitl/patches/nothing", product.people[0])[0] == 404
        assert ask(product, "GET", "/hitl/patches/pending", product.people[0])[0] == 200


def ask(product: Product, method: str, path: str, token: str, body: Any = None) -> tuple[int, Any]:
    connection = http.client.HTTPConnection("127.0.0.1", product.port, timeout=60)
    headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
    connection.request(method, path, json.dumps(body) if body else None, headers)
    answer = connection.getresponse()
    text = answer.read().decode()
    connection.close()
    return answer.status, json.loads(text) if "json" in (answer.getheader("Content-Type") or "") else text


def test_prometheus_scrapes_the_product_and_its_linter_finds_nothing_in_ours(watched: Watched) -> None:
    status, text = ask(watched.product, "GET", "/metrics", watched.token)
    assert status == 200
    lint = subprocess.run(["promtool", "check", "metrics"], input=text, capture_output=True, text=True, check=False)
    assert [line for line in lint.stderr.splitlines() if "hitl_" in line] == []
    assert ask(watched.product, "GET", "/metrics", "x" * 64)[0] == 401
    assert watched.prometheus.values('up{job="hitl"}') == [1]


def test_failures_and_connections_are_there_before_the_first_one(watched: Watched) -> None:
    """By one of several processes: a counter that is born with 1 has no increase."""
    for name in ('django_http_responses_total_by_status_total{status="500"}', "hitl_pool_timeouts_total"):
        assert watched.prometheus.values(f"min_over_time({name}[1h])") == [0], name
    assert watched.prometheus.values("hitl_pool_size_connections") == [16], "two processes with 8 each"
    assert watched.prometheus.values("min_over_time(hitl_pool_waiting_requests[1h])") == [0]
    assert 0 <= watched.prometheus.values("hitl_pool_used_connections")[0] <= 16


def test_all_rules_are_evaluated_without_an_error(watched: Watched) -> None:
    def groups() -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = watched.prometheus.ask("rules")["groups"]
        return found

    assert wait_until(lambda: all(rule["health"] == "ok" for group in groups() for rule in group["rules"])), groups()
    assert len(groups()) == 6


def test_every_query_of_the_dashboards_finds_data(watched: Watched) -> None:
    """After decisions that were made while Prometheus looked on. Rates are of the last minutes: somebody goes on using
    the product, whenever this test has its turn."""
    empty = set(expressions())

    def none_is_empty() -> bool:
        for path, status in (("pending", 200), ("nothing", 404)):
            assert ask(watched.product, "GET", f"/hitl/patches/{path}", watched.product.people[0])[0] == status
        empty.difference_update([one for one in empty if watched.prometheus.values(one)])
        return not empty

    assert wait_until(none_is_empty), empty


def test_an_alert_reaches_the_receiver_and_ends(watched: Watched) -> None:
    """The one on the database: it can be hurt, and /metrics answers with its token meanwhile."""
    watched.product.take_the_database_away()
    try:
        assert wait_until(lambda: "HITLDatabaseConnectionFailed" in watched.receiver.alerts("firing"))
        notice = next(one for one in watched.receiver.got if one["groupLabels"]["alertname"].startswith("HITLDatabase"))
        [alert] = notice["alerts"]
        assert alert["labels"] == {"alertname": "HITLDatabaseConnectionFailed", "severity": "critical"}
        page = "https://docs.example.org/runbooks/HITLDatabaseConnectionFailed.md"
        assert alert["annotations"]["runbook_url"] == page
        assert alert["annotations"]["dashboard"] == "https://grafana.example.org/d/hitl-operations"
        assert watched.prometheus.values('up{job="hitl"}') == [1]
        assert ask(watched.product, "GET", "/metrics", watched.token)[0] == 200
        assert "HITLServiceDown" not in watched.receiver.alerts("firing")
    finally:
        watched.product.give_the_database_back()
    assert wait_until(lambda: watched.prometheus.values("hitl_database_up") == [1])
