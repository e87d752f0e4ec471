"""Health, readiness and metrics: what the machines that run this ask."""

import hmac
import logging
import shutil
from collections.abc import Iterator
from ipaddress import ip_address
from typing import Any

from django.conf import settings
from django.db import DatabaseError, connection
from django.db.migrations.executor import MigrationExecutor
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.utils import timezone
from django.views.decorators.http import require_safe
from django_prometheus import exports
from ninja.errors import AuthenticationError
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest
from prometheus_client.core import GaugeMetricFamily, InfoMetricFamily, Metric

from approvals.api.caller import by_token
from approvals.api.problems import problem, refused
from approvals.errors import Refusal
from approvals.metrics import DatabaseCollector
from approvals.models import Heartbeat

log = logging.getLogger("hitl.ops")

WORKER_LOST = 60  # seconds
DISK_WARNING = 0.9  # share of the data volume used
PROBE_SECONDS = 2.0  # for all that a probe asks the database: who probes rarely waits longer than three
SCRAPE_SECONDS = 8.0  # Prometheus waits for ten


@require_safe
def healthz(request: HttpRequest) -> HttpResponse:
    """Liveness: the process answers. It asks nothing else: a database outage must not restart every pod."""
    return HttpResponse("ok\n", content_type="text/plain; charset=utf-8")


@require_safe
def readyz(request: HttpRequest) -> JsonResponse:
    """Readiness: database, migrations and a worker seen within a minute; else 503 with what is missing.

    `?without=worker` leaves the worker out: who sends people here or not must not send them nowhere when it stops.
    """
    asked = {"migrations": _migrated, "worker": _worker}
    if request.GET.get("without") == "worker":
        del asked["worker"]
    with connection.within(PROBE_SECONDS):  # type: ignore[attr-defined]  # of postgresql
        if not _database():  # each further question would wait for the pool again, longer than a probe does
            return JsonResponse({"ready": False, "missing": ["database"]}, status=503)
        missing = [name for name, is_good in asked.items() if not is_good()]
    return JsonResponse({"ready": not missing, "missing": missing}, status=503 if missing else 200)


@require_safe
def health(request: HttpRequest) -> JsonResponse:
    """The reference API's shape with an honest status code: a full disk degrades, a lost database is never
    'degraded'."""
    with connection.within(PROBE_SECONDS):  # type: ignore[attr-defined]  # of postgresql
        database = _database()
    disk = _disk()
    status = "healthy" if database and disk["status"] == "ok" else "degraded" if database else "unhealthy"
    body = {
        "status": status,
        "service": "hitl-patch-service",
        "version": settings.VERSION,
        "timestamp": timezone.now(),
        "checks": {
            "database": {
                "status": "ok" if database else "error",
                "message": "answers" if database else "does not answer",
            },
            "disk": disk,
        },
    }
    answer = JsonResponse(body, status=200 if database else 503)
    if status == "degraded":
        answer["X-Health-Status"] = "degraded"
    return answer


@require_safe
def metrics(request: HttpRequest) -> HttpResponse:
    """Prometheus text, for allowed addresses, for METRICS_TOKEN and for callers with metrics:read. The first two have
    an answer also while the database is away, with `hitl_database_up 0` in place of what is counted in it, or while all
    of the pool is in use: they alone may have a connection beside it, for strangers could take all of the server's."""
    is_known = _is_known(request)
    limited = connection.apart if is_known else connection.within  # type: ignore[attr-defined]  # of postgresql
    with limited(SCRAPE_SECONDS):
        answer = None if is_known else _kept_from_metrics(request)
        if answer is None:
            body = exports.ExportToDjangoView(request).content + generate_latest(_Collected())
            answer = HttpResponse(body, content_type=CONTENT_TYPE_LATEST)
    return answer


def _is_known(request: HttpRequest) -> bool:
    """Return whether the caller may read the metrics as far as can be told without the database."""
    sent = request.headers.get("Authorization", "").encode()
    ours = bool(settings.METRICS_TOKEN) and hmac.compare_digest(sent, f"Bearer {settings.METRICS_TOKEN}".encode())
    return ours or _from_allowed_address(request)


def _kept_from_metrics(request: HttpRequest) -> HttpResponse | None:
    """Return why a caller with a token of the database may not read the metrics, or None."""
    try:
        caller = by_token(request)
    except AuthenticationError as error:
        return problem(401, str(error))
    except Refusal as error:
        return refused(error)
    except DatabaseError:
        return problem(503, "The database, which knows this token, did not answer. METRICS_TOKEN needs no database.")
    return None if caller.may("metrics:read") else problem(403, "This needs the scope metrics:read.")


class _Collected(CollectorRegistry):
    """What is counted at a scrape; of the database what it had answered until it stopped."""

    def collect(self) -> Iterator[Metric]:
        yield InfoMetricFamily("hitl_build", "What runs", value={"version": settings.VERSION})
        disk = GaugeMetricFamily("hitl_disk_used_ratio", "Used share of the volume with the data directory")
        if usage := _disk_usage():
            disk.add_metric([], 1 - usage.free / usage.total)
        yield disk
        answers = _database()
        yield GaugeMetricFamily("hitl_database_up", "Whether the database answers (1) or not (0)", value=answers)
        if answers:
            try:
                yield from DatabaseCollector().collect()
            except DatabaseError as error:
                log.warning("Not all metrics were counted: %s", error)


def _from_allowed_address(request: HttpRequest) -> bool:
    """Return whether the caller's own address is allowed; behind a proxy nobody trusts it is not known."""
    address = getattr(request, "client_ip", None)
    forwarded = "X-Forwarded-For" in request.headers and address == request.META.get("REMOTE_ADDR")
    if not address or forwarded:
        return False
    return any(ip_address(address) in network for network in settings.METRICS_ALLOWED_IPS)


def _database() -> bool:
    try:
        with connection.cursor() as cursor:
            cursor.execute("select 1")
    except DatabaseError:
        connection.close()
        return False
    return True


def _migrated() -> bool:
    """Ask once per process for 'yes': migrations are never taken back under a running process."""
    if not known["migrated"]:
        try:
            executor = MigrationExecutor(connection)
            known["migrated"] = not executor.migration_plan(executor.loader.graph.leaf_nodes())
        except DatabaseError:
            return False
    return known["migrated"]


known = {"migrated": False}
"""What this process has learnt and need not ask again."""


def _worker() -> bool:
    try:
        beat = Heartbeat.objects.filter(name="worker").first()
    except DatabaseError:
        return False
    return beat is not None and (timezone.now() - beat.seen_at).total_seconds() < WORKER_LOST


def _disk() -> dict[str, Any]:
    """Return the reference API's disk check of the data directory's volume, without naming a path."""
    usage = _disk_usage()
    if usage is None:
        return {"status": "unknown", "message": "cannot be read", "free_gb": None, "total_gb": None}
    used = 1 - usage.free / usage.total
    return {
        "status": "warning" if used > DISK_WARNING else "ok",
        "message": f"{used:.0%} used",
        "free_gb": round(usage.free / 1e9, 1),
        "total_gb": round(usage.total / 1e9, 1),
    }


def _disk_usage() -> Any:
    """Return size and use of the data directory's volume, or None where they cannot be read."""
    try:
        return shutil.disk_usage(settings.HITL_DATA_DIR if settings.HITL_DATA_DIR.exists() else "/")
    except OSError:
        return None
