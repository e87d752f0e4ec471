"""Traces by OpenTelemetry: what a collector gets from a running product, what is in no span, and what is left alone."""

import gzip
import subprocess
import sys
import threading
import urllib.request
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from django.db import IntegrityError, connections
from django.http import HttpResponse
from django.test import Client
from django.urls import path
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Span
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from approvals.models import User
from approvals.requests import trace_headers
from hitl import telemetry, traces
from hitl.logs import trace_id
from hitl.telemetry import trace_statement
from tests.cast import document
from tests.hitl.test_request_lines import PARENT, TRACE
from tests.hitl.test_serve import ROOT, copy_prepared, environment, serving, wait_until
from tests.hitl.test_settings import start
from tests.ports import free_port

CLIENT = Span.SpanKind.SPAN_KIND_CLIENT
HTTP = {"http.request.method", "http.route", "http.response.status_code", "hitl.request_id"}


def broken(request, name):
    raise ZeroDivisionError(name)


urlpatterns = [path("broken/<str:name>", broken)]
DATABASE = {"db.system.name", "db.query.text"}


class Collector(ThreadingHTTPServer):
    """Takes traces by OTLP over HTTP and keeps their spans."""

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Receiver)
        self.spans = []
        threading.Thread(target=self.serve_forever, daemon=True).start()

    @property
    def address(self):
        return f"http://127.0.0.1:{self.server_port}"

    def of(self, service, *, below):
        """Return what a service sent: its requests and jobs, or the statements below them."""
        return [span for name, span in self.spans if name == service and (span.kind == CLIENT) == below]


class Receiver(BaseHTTPRequestHandler):
    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        if self.headers.get("Content-Encoding") == "gzip":
            body = gzip.decompress(body)
        sent = ExportTraceServiceRequest.FromString(body)
        for resource in sent.resource_spans:
            [service] = [one.value.string_value for one in resource.resource.attributes if one.key == "service.name"]
            self.server.spans += [(service, span) for scope in resource.scope_spans for span in scope.spans]
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *arguments):
        pass


@pytest.fixture
def collector():
    with Collector() as collector:
        yield collector
        collector.shutdown()


@pytest.fixture
def spans(settings, monkeypatch):
    """Trace this process into a list, as `telemetry.start` would to a collector."""
    exporter, provider = InMemorySpanExporter(), TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    monkeypatch.setattr(telemetry, "tracer", provider.get_tracer("test"))
    settings.MIDDLEWARE = ["hitl.telemetry.TraceMiddleware", *settings.MIDDLEWARE]
    for connection in connections.all():
        monkeypatch.setattr(connection, "execute_wrappers", [trace_statement])
    return exporter.get_finished_spans


# --- What is in a span ---------------------------------------------------------------------------------------------


@pytest.mark.django_db
def test_a_request_is_a_span_and_its_statements_are_below_it(producer_api, spans):
    answer = producer_api.post("/hitl/patches?source=ci", document(), traceparent=PARENT)
    assert answer.status_code == 201
    *below, request = spans()
    assert (request.name, request.kind.name) == ("POST /hitl/patches", "SERVER")
    assert dict(request.attributes) == {
        "http.request.method": "POST",
        "http.route": "/hitl/patches",
        "http.response.status_code": 201,
        "hitl.request_id": answer["X-Request-ID"],
    }
    assert f"{request.context.trace_id:032x}" == TRACE
    assert f"{request.parent.span_id:016x}" == PARENT.split("-")[2]
    assert {"SELECT", "INSERT"} <= {span.name for span in below}
    for span in below:
        assert (span.parent.span_id, span.kind.name) == (request.context.span_id, "CLIENT")
        assert set(span.attributes) == DATABASE


@pytest.mark.django_db
def test_no_span_holds_an_address_a_value_or_a_name(alice, sign_in, make_patch, spans):
    decision = make_patch()
    client = sign_in(alice)
    client.get(f"/patches/{decision.decision_id}?file=secretive", headers={"User-Agent": "Agent/7"})
    client.get(f"/history?q={alice.username}")
    client.post(f"/patches/{decision.decision_id}/decide", {"verdict": "approve", "comment": "Looks good"})
    text = "".join(span.to_json() for span in spans())
    assert spans()
    hidden = [alice.username, alice.email, str(decision.decision_id), decision.patch.patch_id, decision.patch.sha256]
    hidden += ["secretive", "Agent/7", "127.0.0.1", "Looks good", client.session.session_key]
    assert [word for word in hidden if f"{word}" in text] == []
    assert {name for span in spans() for name in span.attributes} == HTTP | DATABASE


@pytest.mark.django_db
def test_a_statement_that_fails_says_so_without_its_values(alice, spans):
    with telemetry.tracer.start_as_current_span("around"), pytest.raises(IntegrityError):
        User.objects.create(username=alice.username)
    [failed] = [span for span in spans() if span.status.status_code.name == "ERROR"]
    assert alice.username not in failed.to_json()
    assert not failed.events


@pytest.mark.django_db
def test_a_request_that_broke_is_marked(spans, settings):
    settings.ROOT_URLCONF = __name__
    Client(raise_request_exception=False).get("/broken/by-alice")
    request = spans()[-1]
    assert (request.name, request.status.status_code.name) == ("GET /broken/<str:name>", "ERROR")
    assert not request.events
    assert request.status.description is None


@pytest.mark.django_db
@pytest.mark.parametrize("path", ["/healthz", "/readyz", "/metrics", "/static/nothing.css"])
def test_probes_and_static_files_are_none(spans, path):
    assert Client().get(path).status_code in {200, 404, 503}
    assert spans() == ()


@pytest.mark.django_db
def test_a_statement_outside_of_a_request_is_none(spans):
    assert User.objects.count() == 0
    assert spans() == ()


@pytest.mark.django_db
def test_a_method_that_somebody_made_up_is_no_name(spans):
    Client().generic("ALICE", "/history")
    assert [span.name for span in spans()] == ["_OTHER /history"]


@pytest.mark.django_db
def test_the_lines_and_who_is_asked_go_by_the_span(spans, monkeypatch):
    seen = {}

    def look(self, request):
        seen.update(trace=trace_id.get(), headers=dict(trace_headers.get()))
        return HttpResponse()

    monkeypatch.setattr("hitl.middleware.ContentPolicyMiddleware.__call__", look)
    Client().get("/history", headers={"tracestate": "a=1"})
    [span] = spans()
    assert seen["trace"] == f"{span.context.trace_id:032x}"
    assert set(seen["headers"]) == {"traceparent"}  # the state was of no trace
    assert seen["headers"]["traceparent"].startswith(f"00-{seen['trace']}-{span.context.span_id:016x}-")


# --- What is sent, and by whom -------------------------------------------------------------------------------------


@pytest.mark.slow
def test_web_and_worker_send_to_the_collector_that_the_standard_variables_name(
    tmp_path, tmp_path_factory, monkeypatch, collector
):
    """Each process of gunicorn has its own thread that sends, and what waits to be sent at its end is sent then."""
    copy_prepared(tmp_path_factory, tmp_path / "data")
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", collector.address)
    monkeypatch.setenv("OTEL_BSP_SCHEDULE_DELAY", "600000")  # none before the end
    with serving(tmp_path) as served:
        for _ in range(3):
            page = f"http://127.0.0.1:{served.port}/accounts/login"
            urllib.request.urlopen(urllib.request.Request(page, headers={"traceparent": PARENT}), timeout=20).close()
        assert wait_until(lambda: served.probe("/readyz")[0] == 200)
    requests = collector.of("hitl-web", below=False)
    assert [span.name for span in requests] == ["GET /accounts/login"] * 3
    assert {(span.trace_id.hex(), span.parent_span_id.hex()) for span in requests} == {(TRACE, PARENT.split("-")[2])}
    jobs = collector.of("hitl-worker", below=False)
    assert jobs
    assert all(span.name.startswith(("approvals.jobs.", "notifications.jobs.")) for span in jobs)
    assert {span.parent_span_id for span in collector.of("hitl-worker", below=True)} <= {span.span_id for span in jobs}
    lines = (tmp_path / "output").read_text()
    assert f"trace_id={TRACE}" in lines
    assert "did not stop" not in lines


@pytest.mark.slow
def test_nothing_of_it_is_imported_unless_it_is_asked_for(tmp_path):
    code = """if True:
        import os, sys, warnings
        warnings.simplefilter("ignore")
        import hitl.wsgi
        sys.exit(any(name.startswith("opentelemetry") for name in sys.modules))
    """
    asked = {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:9"}
    off = [{}, asked | {"OTEL_SDK_DISABLED": "true"}, asked | {"OTEL_TRACES_EXPORTER": "none"}]
    for given, imported in ((asked, 1), *((given, 0) for given in off)):
        own = environment(tmp_path, free_port()) | given
        assert subprocess.run([sys.executable, "-c", code], cwd=ROOT, env=own, check=False).returncode == imported


def test_packages_that_are_missing_are_said_and_the_product_goes_on(settings, monkeypatch, caplog):
    monkeypatch.setattr(traces, "find_spec", lambda name: None)
    assert not traces.is_installed()
    settings.TRACES_WANTED, settings.TRACES_SENT = True, False
    traces.start("hitl-web")
    assert "pip install --require-hashes -r requirements-telemetry.txt" in caplog.text
    assert traces.around_jobs() == []


@pytest.mark.slow
def test_another_protocol_stops_the_start_with_a_sentence(tmp_path):
    given = {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://x:4317", "OTEL_EXPORTER_OTLP_PROTOCOL": "grpc"}
    assert start(tmp_path, **given).stderr.startswith("OTEL_EXPORTER_OTLP_PROTOCOL must be http/protobuf")
