"""The product behind nginx under the load of a busy organisation, under a burst from one address, and at rest.

python benchmarks/load.py [--seconds 60]; see README.md.
"""

import argparse
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks.rig import approving, documents, serving
from benchmarks.scale import load
from tests.ops import proxied

EACH_SECOND = 100
CALLERS = 24  # connections of each kind: what waits for an answer does not hold up what comes next
PEOPLE = 10
STEPS = 100  # of the reviewer, quiet and beside the burst
MOST_MS, MOST_TIMES, MOST_IDLE = 100.0, 2.0, 3.0
# As fast as 1,000 a second from one address, in a process of its own: port, address and seconds are its arguments.
BURST = """
import socket, sys, threading, time
from collections import Counter
port, source, seconds = int(sys.argv[1]), sys.argv[2], float(sys.argv[3])
request = b"GET /hitl/decisions HTTP/1.1\\r\\nHost: localhost\\r\\n\\r\\n"
counts, begun = Counter(), time.perf_counter()

def caller(number):
    connection = socket.create_connection(("127.0.0.1", port), source_address=(source, 0))
    mine = 0
    while (now := time.perf_counter() - begun) < seconds:
        if (wait := mine / 62.5 - now) > 0:
            time.sleep(wait)
        mine += 1
        connection.sendall(request)
        answer = connection.recv(65536)
        head, _, body = answer.partition(b"\\r\\n\\r\\n")
        length = int(head.lower().split(b"content-length: ", 1)[1].split(b"\\r\\n", 1)[0])
        while len(body) < length:
            body += connection.recv(65536)
        polite = b"retry-after: 1" in head.lower() and b"problem+json" in head.lower()
        counts[(answer[9:12].decode(), polite)] += 1
        if b"connection: close" in head.lower():
            connection = socket.create_connection(("127.0.0.1", port), source_address=(source, 0))

threads = [threading.Thread(target=caller, args=(number,)) for number in range(16)]
for thread in threads: thread.start()
for thread in threads: thread.join()
for (status, polite), number in sorted(counts.items()): print(status, int(polite), number)
"""


@dataclass
class Kind:
    """One kind of request, from addresses of its own: what is asked, in turn, and when each was due and answered."""

    name: str
    each_second: int
    requests: list[bytes]
    source: str

    def send(self, port: int, seconds: float, found: dict[str, list[tuple[int, float]]]) -> None:
        """Send on time, whatever came of the ones before; latency counts from when a request was due."""
        due = [number / self.each_second for number in range(int(seconds * self.each_second))]
        begun, lock, answers = time.perf_counter(), threading.Lock(), found.setdefault(self.name, [])
        numbers = iter(range(len(due)))

        def caller(last: int) -> None:
            with connection(port, f"{self.source}.{last}") as client:
                while True:
                    with lock:
                        number = next(numbers, None)
                    if number is None:
                        return
                    if (wait := due[number] - (time.perf_counter() - begun)) > 0:
                        time.sleep(wait)
                    status = load.exchange(client, self.requests[number % len(self.requests)]).status
                    answers.append((status, time.perf_counter() - begun - due[number]))

        together(caller, CALLERS)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=int, default=60)
    options = parser.parse_args()
    with (
        tempfile.TemporaryDirectory() as place,
        serving.database(),
        serving.product(TRUSTED_PROXIES="127.0.0.1") as web,
    ):
        print(
            f"at rest: {idle(options.seconds / 2):.1f} % of a core for web, worker and PostgreSQL (at most {MOST_IDLE})"
        )
        with proxied.nginx(Path(place) / "nginx", web) as nginx:
            people = approving.reviewers(PEOPLE)
            items = prepared(web, (options.seconds + 1) * EACH_SECOND // 10 + 2 * STEPS)
            kinds = kinds_of(people, items[2 * STEPS :])
            for kind in kinds:  # templates are compiled at first use
                kind.send(nginx.port, 0.5, {})
            before, begun = serving.processor_seconds(), time.perf_counter()
            report(steady(nginx.port, kinds, options.seconds))
            taken, lasted = serving.processor_seconds() - before, time.perf_counter() - begun
            each = 1000 * taken / (options.seconds * EACH_SECOND)
            print(f"web, worker and PostgreSQL took {taken / lasted:.2f} of a core, {each:.1f} ms a request")
            quiet = review(nginx.port, people[0], items[:STEPS])
            with burst(nginx.port) as counts:
                beside = review(nginx.port, people[0], items[STEPS : 2 * STEPS])
            report_burst(counts, quiet, beside)


def prepared(web: int, number: int) -> list[approving.Item]:
    """Take in so many patches past nginx, and return them as they wait."""
    token = serving.manage("create_token", "before", "--kind", "producer")
    real = documents.real_documents(5)
    sent = [
        load.request("POST", "/hitl/patches", documents.fresh(real[one % len(real)]), Authorization=f"Bearer {token}")
        for one in range(number + number // 4)
    ]
    load.send_all(web, sent, 4)
    items = approving.pending(number)
    assert len(items) == number, f"only {len(items)} of {number} wait"
    return items


def kinds_of(people: list[approving.Reviewer], items: list[approving.Item]) -> list[Kind]:
    """Return the load: 70 reads, 20 patches and 10 verdicts a second."""
    producer = serving.manage("create_token", "bench", "--kind", "producer")
    deployer = serving.manage("create_token", "argo", "--kind", "deployer")
    bearer, reads = f"Bearer {deployer}", []
    for number, item in enumerate(items):
        cookie = f"sessionid={people[number % PEOPLE].session}"
        decision = load.request("GET", f"/hitl/decisions/{item.decision_id}", Authorization=bearer)
        feed = load.request("GET", "/hitl/decisions?after=0&limit=50", Authorization=bearer)
        pending = load.request("GET", "/hitl/patches/pending?limit=20", Cookie=cookie)
        # Ten pages a second are 36,000 an hour; programs ask more often.
        page = load.request("GET", item.path if number % 2 else "/", Cookie=cookie)
        reads += [page, decision, feed, decision, pending, decision, feed]
    real = documents.real_documents(3)
    patches = [
        load.request(
            "POST", "/hitl/patches", documents.fresh(real[one % len(real)]), Authorization=f"Bearer {producer}"
        )
        for one in range(4_000)
    ]
    verdicts = [approving.request(item, people[number % PEOPLE]) for number, item in enumerate(items)]
    return [
        Kind("reads", EACH_SECOND * 7 // 10, reads, "127.0.1"),
        Kind("intake", EACH_SECOND * 2 // 10, patches, "127.0.2"),
        Kind("verdicts", EACH_SECOND // 10, verdicts, "127.0.3"),
    ]


def steady(port: int, kinds: list[Kind], seconds: float) -> dict[str, list[tuple[int, float]]]:
    """Send all kinds at once for so long."""
    found: dict[str, list[tuple[int, float]]] = {}
    rest = [
        Kind(kind.name, kind.each_second, kind.requests[int(0.5 * kind.each_second) :], kind.source) for kind in kinds
    ]
    together(lambda number: rest[number - 1].send(port, seconds, found), len(rest))
    return found


def review(port: int, person: approving.Reviewer, items: list[approving.Item]) -> list[float]:
    """Open patches and approve them, one after the other from one address; return the seconds of each request."""
    seconds = []
    with connection(port, "127.0.4.1") as client:
        for item in items:
            for request in (
                load.request("GET", item.path, Cookie=f"sessionid={person.session}"),
                approving.request(item, person),
            ):
                answer = load.exchange(client, request)
                assert answer.status == 200, (answer.status, answer.body[:300])
                seconds.append(answer.seconds)
                time.sleep(0.02)
    return seconds


@contextmanager
def burst(port: int) -> Iterator[Counter[tuple[str, bool]]]:
    """Ask 1,000 times a second from one address while the block runs; the counts are there after it."""
    counts: Counter[tuple[str, bool]] = Counter()
    command = [sys.executable, "-c", BURST, str(port), "127.0.5.1", "20"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        time.sleep(1)
        yield counts
        lasted = process.poll() is None
        out, _ = process.communicate()
    for line in out.splitlines():
        status, polite, number = line.split()
        counts[(status, polite == "1")] = int(number)
    if not lasted:
        print("the burst ended before the reviewer did")


def idle(seconds: float) -> float:
    """Return the share of one core, in percent, that everything takes while nobody asks anything."""
    time.sleep(5)
    before, begun = serving.processor_seconds(), time.perf_counter()
    time.sleep(seconds)
    return 100 * (serving.processor_seconds() - before) / (time.perf_counter() - begun)


def report(found: dict[str, list[tuple[int, float]]]) -> None:
    """Print a line for each kind."""
    for name, answers in found.items():
        statuses = Counter(status for status, _ in answers)
        seconds = sorted(taken for _, taken in answers)
        wrong = sum(number for status, number in statuses.items() if status >= 400)
        p50, p95, p99 = (seconds[int(len(seconds) * share)] * 1000 for share in (0.5, 0.95, 0.99))
        bar = f" (at most {MOST_MS:.0f})" if name == "reads" else ""
        print(
            f"{name}: {len(answers):,}, {wrong} errors, p50 {p50:.0f}, p95 {p95:.0f}{bar}, p99 {p99:.0f} ms; "
            f"{dict(statuses)}"
        )


def report_burst(counts: "Counter[tuple[str, bool]]", quiet: list[float], beside: list[float]) -> None:
    refused = sum(number for (status, _), number in counts.items() if status == "429")
    impolite = sum(number for (status, polite), number in counts.items() if status == "429" and not polite)
    other = {status: number for (status, _), number in counts.items() if status != "429"}
    print(
        f"burst: {sum(counts.values()):,} in 20 s, {refused:,} refused, {impolite} without a polite word; "
        f"the others {other}"
    )
    before, after = (sorted(seconds)[int(len(seconds) * 0.95)] * 1000 for seconds in (quiet, beside))
    print(
        f"a reviewer at another address: p95 {before:.0f} ms quiet, {after:.0f} ms beside the burst, "
        f"{after / before:.2f} times (at most {MOST_TIMES:.0f})"
    )


@contextmanager
def connection(port: int, source: str) -> Iterator[socket.socket]:
    client = socket.create_connection(("127.0.0.1", port), timeout=60, source_address=(source, 0))
    client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    with client:
        yield client


def together(work, number: int) -> None:  # type: ignore[no-untyped-def]
    """Run work(1) to work(number) in threads of their own, and wait for all."""
    threads = [threading.Thread(target=work, args=(one + 1,)) for one in range(number)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


if __name__ == "__main__":
    main()
