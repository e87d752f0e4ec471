"""Transactions per second of intake and approval, as shares of what pgbench reaches with the same rows.

python benchmarks/intake.py [--repeat 3] [--posts 2000]; see README.md.
"""

import argparse
import json
import statistics
import sys
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from itertools import cycle, islice
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks.rig import approving, documents, inserting, load, pgbench, serving

IN_FLIGHT = 8
BULK_LINES = 400  # 500 may be above what one request may cost, on a busy machine
SAMPLE = 5  # every fifth real patch: pgbench takes 128 scripts, and both sides get the same 126
TARGETS = {
    "one POST at a time / the same rows by pgbench": ("single", "rows by pgbench", 0.5),
    "bulk / one POST at a time": ("bulk", "single", 3.0),
    "approve / the same rows by pgbench": ("approve", "approvals by pgbench", 0.25),
}


@dataclass(frozen=True)
class Figure:
    """How many in how many seconds, and the processor seconds of web, worker and database for them."""

    number: int
    seconds: float
    processor: float

    @property
    def rate(self) -> float:
        return self.number / self.seconds

    @property
    def cost(self) -> float:
        """Processor milliseconds for one; unlike the rate it hardly depends on what else the machine does."""
        return self.processor / self.number * 1000


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeat", type=int, default=3)
    parser.add_argument("--posts", type=int, default=2000)
    options = parser.parse_args()
    with serving.database(), serving.product() as port:
        token = serving.manage("create_token", "bench", "--kind", "producer")
        people = approving.reviewers(IN_FLIGHT)
        real = documents.real_documents(SAMPLE)
        scripts = inserting.scripts(real)
        single(port, token, real, 400)  # warms up pools, caches and the tables' pages
        rounds = []
        for number in range(options.repeat):
            rounds.append(measure(port, token, people, real, scripts, options.posts, number))
            print(f"Round {number + 1}", flush=True)
            for name, figure in rounds[-1].items():
                print(f"  {name:20} {figure.rate:7,.0f}/s {figure.cost:7.2f} ms of processor time each", flush=True)
    report(rounds)


def measure(
    port: int,
    token: str,
    people: list[approving.Reviewer],
    real: list[Any],
    scripts: list[str],
    posts: int,
    number: int,
) -> dict[str, Figure]:
    """Run everything once on the one database, our side and pgbench's in turn."""
    each = posts // IN_FLIGHT
    figures = {
        "empty GET": figure(posts, partial(nothing, port, posts)),
        "single": figure(posts, partial(single, port, token, real, posts)),
        "rows by pgbench": figure(
            each * IN_FLIGHT, partial(pgbench.run, scripts, IN_FLIGHT, each, first=number * 1_000_000)
        ),
        "bulk": figure(IN_FLIGHT * BULK_LINES, partial(bulk, port, token, real, IN_FLIGHT)),
    }
    todo = approving.pending(posts)
    ours, theirs = todo[: posts // 2], todo[posts // 2 :]
    figures["approve"] = figure(len(ours), partial(approve, port, people, ours))
    verdict = approving.script(theirs, people[0], IN_FLIGHT)
    each = len(theirs) // IN_FLIGHT
    figures["approvals by pgbench"] = figure(each * IN_FLIGHT, partial(pgbench.run, [verdict], IN_FLIGHT, each))
    return figures


def figure(number: int, run: Callable[[], float]) -> Figure:
    before = serving.processor_seconds()
    seconds = run()
    return Figure(number, seconds, serving.processor_seconds() - before)


def nothing(port: int, requests: int) -> float:
    """GET /healthz, which asks nothing: what gunicorn, Django and this client cost before a view begins."""
    answers, seconds = load.send_all(port, [load.request("GET", "/healthz")] * requests, IN_FLIGHT)
    expect(answers, 200)
    return seconds


def single(port: int, token: str, real: list[Any], posts: int) -> float:
    """One POST at a time per client."""
    bodies = [documents.fresh(document) for document in islice(cycle(real), posts)]
    push = partial(load.request, "POST", "/hitl/patches", Authorization=f"Bearer {token}")
    answers, seconds = load.send_all(port, [push(body) for body in bodies], IN_FLIGHT)
    expect(answers, 201)
    return seconds


def bulk(port: int, token: str, real: list[Any], requests: int) -> float:
    """NDJSON of 400 lines, as many requests in flight as single ones."""
    endless = cycle(real)
    bodies = [
        b"".join(json.dumps(documents.fresh(next(endless))).encode() + b"\n" for _ in range(BULK_LINES))
        for _ in range(requests)
    ]
    push = partial(
        load.request,
        "POST",
        "/hitl/patches/bulk",
        Authorization=f"Bearer {token}",
        Content_Type="application/x-ndjson",
    )
    answers, seconds = load.send_all(port, [push(body) for body in bodies], IN_FLIGHT)
    expect(answers, 200)
    lines = [json.loads(line) for answer in answers for line in answer.body.splitlines()]
    assert [line["status"] for line in lines] == [201] * requests * BULK_LINES, lines[0]
    return seconds


def approve(port: int, people: list[approving.Reviewer], todo: list[approving.Item]) -> float:
    """Signed-in people approve by the API, each request one decision that nobody else touches."""
    requests = [approving.request(item, person) for item, person in zip(todo, cycle(people), strict=False)]
    answers, seconds = load.send_all(port, requests, IN_FLIGHT)
    expect(answers, 200)
    assert all(json.loads(answer.body)["status"] == "approved" for answer in answers)
    return seconds


def expect(answers: list[load.Answer], status: int) -> None:
    wrong = [answer for answer in answers if answer.status != status]
    if wrong:
        sys.exit(f"{len(wrong)} of {len(answers)} answers were not {status}; the first: {wrong[0].body[:500]!r}")


def report(rounds: list[dict[str, Figure]]) -> None:
    for name, (ours, yardstick, target) in TARGETS.items():
        rates = [figures[ours].rate / figures[yardstick].rate for figures in rounds]
        costs = [figures[yardstick].cost / figures[ours].cost for figures in rounds]
        middle = statistics.median(rates)
        print(
            f"{name}: {middle:.2f}, {'holds' if middle >= target else 'MISSES'} {target:.2f} "
            f"(rounds {', '.join(f'{ratio:.2f}' for ratio in rates)}; by processor time {statistics.median(costs):.2f})"
        )


if __name__ == "__main__":
    main()
