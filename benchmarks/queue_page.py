"""The queue with 100,000 pending among 1,000,000 patches against the queue with 100 among 1,000.

python benchmarks/queue_page.py [--patches 1000000 --pending 100000 --repeat 5]; see README.md. Not called queue.py:
a script's directory comes before the standard library, whose `queue` it would hide from every benchmark here.
"""

import argparse
import json
import statistics
import sys
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import psycopg
from django.conf import settings
from django.utils import timezone

from benchmarks.rig import approving, backlog, documents, load, serving

SMALL = (1_000, 100)
MOST, MOST_LAST = 1.5, 1.2  # the last page costs what the first does; a fifth more is noise
PAGE = 25  # rows, on the page and in every request here
API = "/hitl/patches/pending"

# What people and machines ask for; {word} and {package} are filled in from the rows.
KINDS = {
    "plain": "/",
    **{f"tab {name}": f"/?priority={name}" for name in ("critical", "high", "medium", "low")},
    **{f"sort {name}": f"/?sort={name}" for name in backlog.ORDERS if name != "priority"},
    "cwe, frequent": "/?cwe=CWE-79",
    "cwe, rare": "/?cwe=CWE-94",
    "package": "/?package={package}",
    "ecosystem": "/?ecosystem=PyPI",
    "ecosystem, by confidence": "/?ecosystem=PyPI&sort=confidence",
    "severity": "/?severity=critical",
    "confidence 0.9 to 1": "/?confidence_min=0.9&confidence_max=1",
    "confidence below 0.5": "/?confidence_max=0.5",
    "wargaming failed": "/?wargaming=failed",
    "wargaming disagrees": "/?wargaming=disagrees",
    "sla breached": "/?sla=breached",
    "sla due soon": "/?sla=warning",
    "producer": "/?producer=fixer",
    "policy": "/?policy=high",
    "needs my approval": "/?mine=on",
    "escalated": "/?escalated=on",
    "two filters": "/?ecosystem=npm&wargaming=passed&mine=on",
    "search, frequent word": "/?q=decoder",
    "search, rare word": "/?q={word}",
    "search, two words": "/?q=parser+passed+CWE-79",
    "API plain": f"{API}?limit={PAGE}",
    "API sort age": f"{API}?limit={PAGE}&sort=age",
    "API cwe": f"{API}?limit={PAGE}&cwe=CWE-79",
    "API search": f"{API}?limit={PAGE}&q=decoder",
}
FIRST = {f"last page, {name}": "plain" if name == "priority" else f"sort {name}" for name in backlog.ORDERS}
FIRST["API last page"] = "API plain"
PENDING_PATCH = """
select package_name, apv_id from approvals_patch p join approvals_decision d on d.patch_id = p.id
where d.status = 'pending' order by p.id offset 20 limit 1
"""


@dataclass
class Side:
    """One of the two queues: where it answers, and the times of its answers in milliseconds by kind."""

    port: int
    paths: dict[str, str]
    rows: dict[str, int] = field(default_factory=dict)
    times: dict[str, list[float]] = field(default_factory=dict)

    def p95(self, kind: str) -> float:
        times = sorted(self.times[kind])
        return times[min(len(times) - 1, int(len(times) * 0.95))]

    def middle(self, kind: str) -> float:
        return statistics.median(self.times[kind])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--patches", type=int, default=1_000_000)
    parser.add_argument("--pending", type=int, default=100_000)
    parser.add_argument("--repeat", type=int, default=5)
    options = parser.parse_args()
    with serving.database():
        person, small, large = prepare(options.patches, options.pending)
        with ExitStack() as stack:
            cookie = f"sessionid={person.session}; csrftoken={person.csrf}"
            sides = [serve(stack, url, cookie) for url in (small, large)]
            measure(sides, cookie, options.repeat)
    report(*sides)


def prepare(patches: int, pending: int) -> tuple[approving.Reviewer, str, str]:
    """Return the person who asks, and the addresses of a small and a large database with the same people."""
    serving.manage("migrate")
    person, *_ = approving.reviewers(3)
    small, large = serving.copy_database("bench_small"), serving.copy_database("bench_large")
    for name in documents.FILES:
        serving.import_patches(settings.HITL_SAMPLE_DATA / f"{name}.ndjson")
    models, now = backlog.real_ones(serving.database_url()), timezone.now()
    for url, (number, waiting) in {small: SMALL, large: (patches, pending)}.items():
        print(f"{waiting:,} pending among {number:,}", flush=True)
        backlog.fill(url, models, number, waiting, now)
    return person, small, large


def serve(stack: ExitStack, url: str, cookie: str) -> Side:
    """Start the product on one of the databases and fill in what its rows offer to ask for."""
    port = stack.enter_context(serving.product(DATABASE_URL=url, SECRET_KEY=settings.SECRET_KEY))
    with psycopg.connect(url) as connection:
        [[package, apv_id]] = connection.execute(PENDING_PATCH).fetchall()
        paths = {kind: path.format(package=package, word=apv_id.split("-")[1]) for kind, path in KINDS.items()}
        for name in backlog.ORDERS:
            paths[f"last page, {name}"] = f"/?sort={name}&cursor={backlog.last_page(connection, name, PAGE)}"
        paths["API last page"] = f"{API}?limit={PAGE}&cursor={backlog.last_page(connection, 'priority', PAGE)}"
    return Side(port, paths)


def ask(port: int, path: str, cookie: str) -> load.Answer:
    [answer], _ = load.send_all(port, [load.request("GET", path, Cookie=cookie)], 1)
    assert answer.status == 200, (path, answer.status, answer.body[:500])
    return answer


def rows_of(answer: load.Answer) -> int:
    """Return how many patches an answer shows."""
    cards = answer.body.count(b'<article class="card"')
    return cards or (len(json.loads(answer.body)) if answer.body.startswith(b"[") else 0)


def measure(sides: list[Side], cookie: str, repeat: int) -> None:
    """Ask each kind of both sides in turn, so that what else the machine does falls on both."""
    for number in range(repeat + 2):
        for kind in sides[0].paths:
            for side in sides:
                answer = ask(side.port, side.paths[kind], cookie)
                side.rows[kind] = rows_of(answer)
                if number > 1:  # the first two warm up caches, templates and plans
                    side.times.setdefault(kind, []).append(answer.seconds * 1000)


def report(small: Side, large: Side) -> None:
    """Print each kind beside the same request of the small queue, or, where that shows fewer rows, its plain one."""
    print(f"{'':28}{'small p95':>12}{'large p95':>12}{'ratio':>8}{'middle':>8}   (ms; * to the small plain list)")
    ratios = {}
    for kind in KINDS:
        same = small.rows[kind] >= large.rows[kind]
        beside = kind if same else "API plain" if kind.startswith("API") else "plain"
        ratios[kind] = large.p95(kind) / small.p95(beside)
        line(kind, small.p95(beside), large.p95(kind), large.middle(kind) / small.middle(beside), "" if same else "*")
    held = sum(ratio <= MOST for ratio in ratios.values())
    slowest = max(ratios, key=lambda kind: ratios[kind])
    print(
        f"large to small: {held} of {len(ratios)} within {MOST}, "
        f"{'holds' if held == len(ratios) else 'MISSES'} {MOST}; the most is {ratios[slowest]:.2f} ({slowest})"
    )
    print(f"{'':28}{'first p95':>12}{'last p95':>12}{'ratio':>8}{'middle':>8}   (ms, in the large queue)")
    for last in [kind for kind in large.paths if kind not in KINDS]:
        first = FIRST[last]
        line(last, large.p95(first), large.p95(last), large.middle(last) / large.middle(first))
    most = max(large.middle(last) / large.middle(first) for last, first in FIRST.items())
    print(
        f"last page to first: at most {most:.2f} by the middle, "
        f"{'holds' if most <= MOST_LAST else 'MISSES'} {MOST_LAST}"
    )


def line(kind: str, before: float, after: float, middle: float, mark: str = "") -> None:
    print(f"{kind:28}{before:12.0f}{after:12.0f}{after / before:8.2f}{middle:8.2f} {mark}".rstrip())


if __name__ == "__main__":
    main()
