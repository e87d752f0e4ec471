"""Traces by OpenTelemetry: a span for each request, each job and each statement they run, without addresses, values or
people. Imported only where OTEL_EXPORTER_OTLP_ENDPOINT or its like asks for it (`traces.start`)."""

from collections.abc import Awaitable, Callable
from typing import Any

from django.conf import settings
from django.http import HttpRequest
from django.http.response import HttpResponseBase
from opentelemetry import trace
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import SERVICE_NAME, SERVICE_VERSION, OTELResourceDetector, Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.trace import SpanKind, StatusCode
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator
from procrastinate import JobContext

from hitl import trace_context
from hitl.request_lines import is_quiet, route_of
from postgresql.base import DatabaseWrapper

propagator = TraceContextTextMapPropagator()
tracer = trace.get_tracer("hitl", settings.VERSION)
METHODS = {"GET", "HEAD", "POST", "OPTIONS", "PUT", "DELETE", "PATCH"}
OTHER_METHOD = "_OTHER"  # what a caller made up, as the semantic conventions call it


def start(service: str) -> None:
    """Send what happens from now on in this process; after a fork, for the thread that sends would not survive one."""
    own = Resource({SERVICE_NAME: service, SERVICE_VERSION: settings.VERSION})
    named = OTELResourceDetector().detect()  # OTEL_SERVICE_NAME, OTEL_RESOURCE_ATTRIBUTES
    provider = TracerProvider(resource=own.merge(named))
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
    trace.set_tracer_provider(provider)
    DatabaseWrapper.observers.append(trace_statement)


class TraceMiddleware:
    """A span for each request but those of probes and for static files. Whatever is inside belongs to it: the trace in
    the lines, and what goes on to others."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        if is_quiet(request):
            return self.get_response(request)
        parent = propagator.extract(trace_context.sent_with(request.META))
        method = request.method if request.method in METHODS else OTHER_METHOD
        with tracer.start_as_current_span(
            method, parent, SpanKind.SERVER, record_exception=False, set_status_on_exception=False
        ) as span:
            headers: dict[str, str] = {}
            propagator.inject(headers)
            request.META.pop("HTTP_TRACESTATE", None)  # without a trace it belongs to none
            for name, value in headers.items():
                request.META[f"HTTP_{name.upper()}"] = value
            response = self.get_response(request)
            route = route_of(request)
            span.update_name(f"{method} {route}")
            span.set_attributes(
                {
                    "http.request.method": method,
                    "http.route": route,
                    "http.response.status_code": response.status_code,
                    "hitl.request_id": response["X-Request-ID"],
                }
            )
            if response.status_code >= 500:
                span.set_status(StatusCode.ERROR)
            return response


def trace_statement(execute: Callable[..., Any], sql: Any, params: Any, many: bool, context: dict[str, Any]) -> Any:
    """Run a statement in a span of its own, with its text as it was written, without its parameters. Outside a request
    or job there is none: the sequencer asks five times a second."""
    if not trace.get_current_span().is_recording():
        return execute(sql, params, many, context)
    text = sql if isinstance(sql, str) else ""  # composed ones may have values in them
    attributes = {"db.system.name": "postgresql", "db.query.text": text}
    name = text.split(None, 1)[0].upper() if text.strip() else "SQL"
    with tracer.start_as_current_span(
        name, kind=SpanKind.CLIENT, attributes=attributes, record_exception=False, set_status_on_exception=False
    ) as span:
        try:
            return execute(sql, params, many, context)
        except Exception:
            span.set_status(StatusCode.ERROR)  # without the message, which names values
            raise


async def trace_job(run: Callable[[], Awaitable[Any]], context: JobContext, worker: Any) -> Any:
    """Run a job in a span of its own, whose trace its lines name (a middleware of procrastinate's worker)."""
    name = context.job.task_name
    with tracer.start_as_current_span(
        name, kind=SpanKind.CONSUMER, record_exception=False, set_status_on_exception=False
    ) as span:
        headers: dict[str, str] = {}
        propagator.inject(headers)
        with trace_context.following({"HTTP_TRACEPARENT": headers.get("traceparent", "")}):
            try:
                return await run()
            except Exception:
                span.set_status(StatusCode.ERROR)
                raise
