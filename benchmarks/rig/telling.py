"""Endpoints that are told of decisions, and a receiver that takes everything."""

import http.server
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from ipaddress import ip_network

from django.conf import settings
from django.utils import timezone

from approvals.accounts.services.tokens import issue_token
from approvals.actors import command
from approvals.models import TokenKind
from approvals.queries.endpoints import newest_position
from approvals.services import endpoints
from notifications.models import Delivery, Endpoint

ACTOR = command("bench")


class Receiver(http.server.BaseHTTPRequestHandler):
    """Answers 204 to every message."""

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        self.send_response(204)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@contextmanager
def receiver() -> Iterator[int]:
    """Run a receiver and yield its port."""
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Receiver)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server.server_port
    server.shutdown()
    server.server_close()


def add(port: int, number: int) -> None:
    """Add so many endpoints, of one deployer."""
    settings.OUTBOUND_ALLOW = [ip_network("127.0.0.1")]
    issue_token("bench", TokenKind.DEPLOYER, actor=ACTOR, now=timezone.now())
    for one in range(number):
        wanted = endpoints.Wanted(f"{one}", f"http://127.0.0.1:{port}/", "standard", "deployer:bench")
        endpoints.add(wanted, None, actor=ACTOR, now=timezone.now())


def switch(on: bool) -> None:
    """Tell all of them or none, of what comes from now on."""
    Endpoint.objects.update(state="active" if on else "disabled", noted=True, position=newest_position())


def arrived() -> int:
    """Return how many deliveries have arrived."""
    return Delivery.objects.filter(state="delivered").count()
