"""Memory of the web workers over 10,000 requests: how much each holds, and whether it keeps growing.

python benchmarks/memory.py [--requests 10000]; see README.md.
"""

import argparse
import sys
from functools import partial
from itertools import cycle, islice
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks.rig import approving, documents, serving
from benchmarks.scale import load

IN_FLIGHT = 8
STEP = 500
SETTLED = 1000  # requests after which caches are warm: growth counts from here
MOST_MB, MOST_GROWTH_MB = 180, 10


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--requests", type=int, default=10_000)
    options = parser.parse_args()
    with serving.database(), serving.product() as port:
        token = serving.manage("create_token", "bench", "--kind", "producer")
        [person] = approving.reviewers(1)
        real = documents.real_documents()
        take_in(port, token, real, 200)
        paths = [item.path for item in approving.pending(200)]
        sizes = {0: resident(port)}
        for done in range(STEP, options.requests + 1, STEP):
            mixed(port, token, person, real, paths, STEP)
            sizes[done] = resident(port)
            print(f"{done:6,} requests: {', '.join(f'{size:.0f} MB' for size in sizes[done])}", flush=True)
    report(sizes)


def mixed(port: int, token: str, person: approving.Reviewer, real: list[Any], paths: list[str], number: int) -> None:
    """A quarter each: the queue page, patch pages, API reads, new patches."""
    cookie = {"Cookie": f"sessionid={person.session}; csrftoken={person.csrf}"}
    bearer = {"Authorization": f"Bearer {token}"}
    quarter = number // 4
    pages = [load.request("GET", path, **cookie) for path in islice(cycle(paths), quarter)]
    queue = [load.request("GET", "/", **cookie)] * quarter
    reads = [load.request("GET", "/hitl/patches/pending?limit=50", **bearer)] * quarter
    posts = [load.request("POST", "/hitl/patches", documents.fresh(next_of(real)), **bearer) for _ in range(quarter)]
    together = [request for four in zip(queue, pages, reads, posts, strict=True) for request in four]
    answers, _ = load.send_all(port, together, IN_FLIGHT)
    wrong = {answer.status for answer in answers} - {200, 201}
    assert not wrong, wrong


def take_in(port: int, token: str, real: list[Any], number: int) -> None:
    push = partial(load.request, "POST", "/hitl/patches", Authorization=f"Bearer {token}")
    load.send_all(port, [push(documents.fresh(next_of(real))) for _ in range(number)], IN_FLIGHT)


def resident(port: int) -> list[float]:
    """Return each web worker's resident memory in MB."""
    found = []
    for pid in serving.web_workers(port):
        status = Path(f"/proc/{pid}/status").read_text()
        found.append(int(status.split("VmRSS:", 1)[1].split()[0]) / 1024)
    return found


_turns: dict[int, Any] = {}


def next_of(real: list[Any]) -> Any:
    """Return the real documents one after the other, over all calls."""
    return next(_turns.setdefault(id(real), cycle(real)))


def report(sizes: dict[int, list[float]]) -> None:
    last = sizes[max(sizes)]
    growth = [late - early for early, late in zip(sizes[SETTLED], last, strict=True)]
    largest, grown = max(max(row) for row in sizes.values()), max(growth)
    print(f"largest {largest:.0f} MB, {'holds' if largest < MOST_MB else 'MISSES'} {MOST_MB} MB")
    print(
        f"growth from {SETTLED:,} to {max(sizes):,} requests {grown:.1f} MB, "
        f"{'holds' if grown < MOST_GROWTH_MB else 'MISSES'} {MOST_GROWTH_MB} MB"
    )


if __name__ == "__main__":
    main()
