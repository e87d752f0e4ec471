"""What endpoints cost a decision: approvals with none that is told, and with three, in turn.

python benchmarks/webhooks.py [--blocks 20] [--approvals 20]; see README.md.
"""

import argparse
import http.server
import socket
import statistics
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from django.utils import timezone

from approvals.accounts.services.tokens import issue_token
from approvals.actors import command
from approvals.models import TokenKind
from approvals.queries.endpoints import newest_position
from approvals.services import endpoints
from benchmarks.rig import approving, documents, policing, serving
from benchmarks.scale import load
from notifications.models import Delivery, Endpoint

ACTOR = command("bench")
ENDPOINTS, EACH = 3, 0.15  # seconds from one approval to the next: what one office does at its busiest
MOST = 1.05


class Receiver(http.server.BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        self.send_response(204)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@contextmanager
def receiver() -> Iterator[int]:
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Receiver)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server.server_port
    server.shutdown()
    server.server_close()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--blocks", type=int, default=20)
    parser.add_argument("--approvals", type=int, default=20)
    options = parser.parse_args()
    with receiver() as told, serving.product(OUTBOUND_ALLOW="127.0.0.0/8", AUTO_APPROVE_ENABLED="false") as port:
        [person] = approving.reviewers(1)
        real, wanted = documents.real_documents(5), options.blocks * options.approvals
        policing.take_in(policing.producer(), real, wanted * 3)
        items = iter(approving.pending(wanted + 10))
        add(told)
        for _ in range(10):
            approve(port, next(items), person)  # warms up
        medians: dict[bool, list[float]] = {False: [], True: []}
        for block in range(options.blocks):
            on = block % 2 == 1
            switch(on)
            times = [approve(port, next(items), person) for _ in range(options.approvals)]
            medians[on].append(statistics.median(times))
        pairs = [with_three / alone for alone, with_three in zip(medians[False], medians[True], strict=True)]
        time.sleep(5)
        arrived = Delivery.objects.filter(state="delivered").count()
    none, three = (statistics.median(medians[on]) * 1000 for on in (False, True))
    ratio = statistics.median(pairs)
    print(
        f"{arrived} deliveries arrived; an approval takes {none:.1f} ms with no endpoint, {three:.1f} with {ENDPOINTS}"
    )
    print(f"median of {len(pairs)} pairs {ratio:.3f}, {'holds' if ratio <= MOST else 'MISSES'} {MOST}")


def add(port: int) -> None:
    """Add the endpoints, of a deployer."""
    issue_token("bench", TokenKind.DEPLOYER, actor=ACTOR, now=timezone.now())
    for number in range(ENDPOINTS):
        wanted = endpoints.Wanted(f"{number}", f"http://127.0.0.1:{port}/", "standard", "deployer:bench")
        endpoints.add(wanted, None, actor=ACTOR, now=timezone.now())


def switch(on: bool) -> None:
    """Tell all of them or none, of what comes from now on."""
    time.sleep(1)  # what the block before left is told
    Endpoint.objects.update(state="active" if on else "disabled", noted=True, position=newest_position())


def approve(port: int, item: approving.Item, person: approving.Reviewer) -> float:
    """Approve one patch and return for how many seconds its reviewer waited."""
    began = time.perf_counter()
    with socket.create_connection(("127.0.0.1", port)) as connection:
        answer = load.exchange(connection, approving.request(item, person))
    seconds = time.perf_counter() - began
    assert answer.status == 200, answer
    time.sleep(max(0.0, EACH - seconds))
    return seconds


if __name__ == "__main__":
    main()
