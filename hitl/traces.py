"""Whether traces are sent, and where that starts: nothing of OpenTelemetry is imported unless its variables are set."""

import logging
from importlib import import_module
from importlib.util import find_spec
from typing import Any

from django.conf import settings

log = logging.getLogger(__name__)

MISSING = (
    "OTEL_EXPORTER_OTLP_ENDPOINT is set and OpenTelemetry is not installed, so no traces are sent: "
    "pip install --require-hashes -r requirements-telemetry.txt, or unset it."
)


def is_installed() -> bool:
    """Return whether the packages of requirements-telemetry.txt are there."""
    try:
        return all(find_spec(f"opentelemetry.{part}") for part in ("sdk.trace", "exporter.otlp.proto.http"))
    except ModuleNotFoundError:
        return False


def start(service: str) -> None:
    """Begin to send traces of this process, where they are asked for; after the last fork."""
    if settings.TRACES_SENT:
        import_module("hitl.telemetry").start(service)
    elif settings.TRACES_WANTED:
        log.warning(MISSING)


def around_jobs() -> list[Any]:
    """Return what procrastinate's worker wraps each job in."""
    return [import_module("hitl.telemetry").trace_job] if settings.TRACES_SENT else []
