"""Can anybody hold the gate? A reviewer signs in and decides while others hold every kind of connection open.

python benchmarks/siege.py [--rounds 20]; see README.md.
"""

import argparse
import http.cookiejar
import re
import resource
import socket
import statistics
import sys
import threading
import time
import urllib.parse
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks.rig import approving, documents, serving
from benchmarks.scale import load

SLOW_HEADS, IDLE, POLLS, STREAMS = 300, 300, 330, 260
MOST = 3.0  # times the quiet p95
PASSWORD = "correct horse battery staple 42"  # of a person in a database that is removed at the end


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=20)
    options = parser.parse_args()
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    with serving.database(), serving.product() as port:
        producer = serving.manage("create_token", "bench", "--kind", "producer")
        deployer = serving.manage("create_token", "argo", "--kind", "deployer")
        reviewer, other = approving.reviewers(2)
        reviewer.user.set_password(PASSWORD)
        reviewer.user.save(update_fields=["password"])
        pushed = [push(port, producer, document) for document in documents.real_documents(7)[: 2 * options.rounds + 1]]
        waiting = pushed.pop()
        decide(port, reviewer.user.username, pushed.pop())  # templates are compiled at first use
        quiet = [decide(port, reviewer.user.username, pushed.pop()) for _ in range(options.rounds - 1)]
        with held(port, deployer, other, waiting) as what:
            print(what, flush=True)
            under = [decide(port, reviewer.user.username, pushed.pop()) for _ in range(options.rounds - 1)]
    report(quiet, under)


def push(port: int, token: str, document: dict[str, object]) -> str:
    """Push one patch and return its decision."""
    request = load.request("POST", "/hitl/patches", documents.fresh(document), Authorization=f"Bearer {token}")
    [answer], _ = load.send_all(port, [request], 1)
    found = re.search(rb'"decision_id": ?"([0-9a-f-]{36})"', answer.body)
    assert found, answer.body
    return found[1].decode()


def decide(port: int, name: str, decision: str) -> float:
    """Sign in, open a patch and reject it, as a browser without script does; return how many seconds it took."""
    jar = urllib.request.HTTPCookieProcessor(http.cookiejar.CookieJar())
    browser, base = urllib.request.build_opener(jar), f"http://127.0.0.1:{port}"

    def send(path: str, fields: dict[str, str] | None = None) -> str:
        data = urllib.parse.urlencode(fields).encode() if fields else None
        with browser.open(urllib.request.Request(base + path, data, {"Referer": base + "/"}), timeout=120) as answer:
            page: str = answer.read().decode()
        return page

    def token(page: str) -> str:
        found: list[str] = re.findall(r'name="csrfmiddlewaretoken" value="([^"]+)"', page)
        return found[0]

    started = time.perf_counter()
    page = send(f"/patches/{decision}")
    address = re.findall(r'<form[^>]*method="post"[^>]*action="([^"]*)"', page)
    path = address[0] if address and address[0] else f"/sign-in/?next=/patches/{decision}"
    fields = {"username": name, "password": PASSWORD, "next": f"/patches/{decision}"}
    page = send(path, {"csrfmiddlewaretoken": token(page), **fields})
    assert "Reject" in page, page[:500]
    digest = re.findall(r'name="patch_sha256" value="([0-9a-f]{64})"', page)[0]
    verdict = {"verdict": "reject", "category": "other", "text": "No.", "patch_sha256": digest, "displayed": "page"}
    page = send(f"/patches/{decision}/decide", {"csrfmiddlewaretoken": token(page), **verdict})
    assert "Rejected" in page, page[:500]
    return time.perf_counter() - started


@contextmanager
def held(port: int, token: str, person: approving.Reviewer, decision: str) -> Iterator[str]:
    """Hold heads that never end, idle kept connections, long polls of one token and streams of one person."""
    poll = load.request("GET", f"/hitl/decisions/{decision}?wait=60", Authorization=f"Bearer {token}")
    stream = load.request("GET", "/hitl/events", Cookie=f"sessionid={person.session}")
    kinds = {
        "slow heads": (SLOW_HEADS, b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nX-Slow: "),
        "idle": (IDLE, b""),
        "polls": (POLLS, poll),
        "streams": (STREAMS, stream),
    }
    besiegers = [Besieger(port, sent) for number, sent in kinds.values() for _ in range(number)]
    ended = threading.Event()
    keeper = threading.Thread(target=keep, args=(besiegers, ended))
    keeper.start()
    try:
        time.sleep(1)
        yield ", ".join(f"{number} {name}" for name, (number, _) in kinds.items())
    finally:
        ended.set()
        keeper.join()
        for one in besiegers:
            one.client.close()
    print(f"the server ended {sum(one.opened - 1 for one in besiegers):,} of these, and each was opened again")


class Besieger:
    """One connection that is opened again whenever the server ends it."""

    def __init__(self, port: int, sent: bytes) -> None:
        self.port, self.sent, self.opened = port, sent, 0
        self.open()

    def open(self) -> None:
        self.client = socket.create_connection(("127.0.0.1", self.port), timeout=60)
        self.client.sendall(self.sent)
        self.client.setblocking(False)
        self.opened += 1

    def keep(self) -> None:
        """Read what came, and open the connection again where it was ended."""
        try:
            if self.client.recv(65_536):
                return
        except BlockingIOError:
            return
        except OSError:
            pass
        self.client.close()
        self.open()


def keep(besiegers: list[Besieger], ended: threading.Event) -> None:
    while not ended.wait(0.5):
        for one in besiegers:
            one.keep()


def report(quiet: list[float], under: list[float]) -> None:
    before, after = (sorted(seconds)[int(len(seconds) * 0.95)] for seconds in (quiet, under))
    medians = f"{statistics.median(quiet) * 1000:.0f} and {statistics.median(under) * 1000:.0f} ms"
    print(
        f"sign in and decide: median {medians}, p95 {before * 1000:.0f} and {after * 1000:.0f} ms, "
        f"{after / before:.2f} times; {'holds' if after <= MOST * before else 'MISSES'} {MOST}"
    )


if __name__ == "__main__":
    main()
