"""Which requests are answered from the replica, and how old what they read may be."""

import logging
import time
from collections.abc import Callable
from contextlib import ExitStack
from datetime import datetime
from typing import Any

from django.conf import settings
from django.db import DatabaseError, connections
from django.http import HttpRequest, HttpResponseBase
from django.utils import timezone

from approvals.models import Heartbeat
from postgresql.replica import REPLICA, reading_from

logger = logging.getLogger(__name__)

# What looks back, by the names of its addresses: analytics, history and the audit log.
READ_FROM_REPLICA = {
    "analytics",
    "history",
    "audit:index",
    "audit:entries",
    "audit:entry",
    "hitl-api:summary",
    "hitl-api:audit_logs",
}
PATIENCE_SECONDS = 1.0  # for the replica's answer, before a request goes to the primary
PAUSE_SECONDS = 30.0  # in which a replica that did not answer is not asked again


class ReplicaReadsMiddleware:
    """Reads for READ_FROM_REPLICA come from DATABASE_REPLICA_URL while it answers and is fresh enough, and say how old
    they are (`request.read_as_of`, the header Age); otherwise from the primary."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self.get_response = get_response
        self.asked_again = 0.0  # when a silent replica is asked again, on the monotonic clock

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        with ExitStack() as request.read_from:  # type: ignore[attr-defined]
            response = self.get_response(request)
        as_of = getattr(request, "read_as_of", None)
        if as_of:
            response["Age"] = str(int(age(as_of)))
        return response

    def process_view(self, request: HttpRequest, view: Any, args: Any, kwargs: Any) -> None:
        name = request.resolver_match and request.resolver_match.view_name
        if REPLICA not in settings.DATABASES or name not in READ_FROM_REPLICA or time.monotonic() < self.asked_again:
            return
        try:
            as_of = replica_as_of()
        except DatabaseError as error:
            self.asked_again = time.monotonic() + PAUSE_SECONDS
            logger.warning("The replica does not answer; reading from the primary for %s s: %s", PAUSE_SECONDS, error)
            return
        if as_of is None or age(as_of) > settings.DATABASE_REPLICA_OLDEST:
            logger.warning("The replica is too old; reading from the primary. It has what was written until %s", as_of)
            return
        request.read_as_of = as_of  # type: ignore[attr-defined]
        request.read_from.enter_context(reading_from(REPLICA))  # type: ignore[attr-defined]


def replica_as_of() -> datetime | None:
    """Return until when the replica surely has what was written: the worker's last beat that it knows of."""
    with connections[REPLICA].within(PATIENCE_SECONDS):  # type: ignore[attr-defined]  # of postgresql
        beat = Heartbeat.objects.using(REPLICA).filter(name="worker").first()
    return beat.seen_at if beat else None


def age(as_of: datetime) -> float:
    """Return how many seconds ago that was."""
    return max(0.0, (timezone.now() - as_of).total_seconds())
