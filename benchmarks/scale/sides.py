"""A running product and what is asked of it: one request at a time, or several in flight."""

import json
import statistics
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import cycle, islice
from typing import Any

from . import kinds, load, stories, watching
from .product import Person, Product, rows

DECIDABLE = """
select decision_id::text, patch.patch_id, patch.sha256
from approvals_decision decision join approvals_patch patch on patch.id = decision.patch_id
where status = 'pending' and required_approvals = 1 and priority < 4 order by decision.id desc limit %s
"""


@dataclass(frozen=True)
class Figure:
    """So many requests in so many seconds: each one's milliseconds, and the processor milliseconds for one."""

    seconds: float
    times: Sequence[float]
    web: float
    database: float
    number: int = 0

    @property
    def rate(self) -> float:
        return (self.number or len(self.times)) / self.seconds

    @property
    def cost(self) -> float:
        return self.web + self.database


def p95(times: Sequence[float]) -> float:
    """Return the time that one of twenty requests takes longer than."""
    ordered = sorted(times)
    return ordered[min(len(ordered) - 1, int(len(ordered) * 0.95))]


@dataclass
class Side:
    """One product that answers on a port, its people and its tokens, and what its rows offer to ask for."""

    name: str
    product: Product
    url: str
    port: int
    people: list[Person]
    tokens: dict[str, str]
    facts: dict[str, str]
    documents: Iterator[dict[str, Any]]
    times: dict[str, list[float]] = field(default_factory=dict)
    shown: dict[str, int] = field(default_factory=dict)

    def request(self, kind: kinds.Kind) -> bytes:
        """Return the bytes of this kind's request."""
        token = self.tokens.get(kind.who)
        headers = {"Authorization": f"Bearer {token}"} if token else self.people[-1].headers
        return load.request("GET", kind.path.format(**self.facts), **headers)

    def ask(self, kind: kinds.Kind) -> load.Answer:
        """Send one such request; keep how many rows it showed."""
        [answer], _ = load.send_all(self.port, [self.request(kind)], 1)
        assert answer.status == 200, (self.name, kind.path, answer.status, answer.body[:500])
        self.shown[kind.name] = kind.rows(answer)
        return answer

    def figure(self, requests: Sequence[bytes], in_flight: int, *, status: int = 200, number: int = 0) -> Figure:
        """Send these, and return what they took."""
        before = watching.processor_seconds(self.product)
        answers, seconds = load.send_all(self.port, requests, in_flight)
        after = watching.processor_seconds(self.product)
        wrong = [answer for answer in answers if answer.status != status]
        assert not wrong, (self.name, len(wrong), wrong[0].status, wrong[0].body[:500])
        number = number or len(answers)
        each = {role: (after[role] - before[role]) / number * 1000 for role in ("web", "database")}
        return Figure(seconds, [answer.seconds * 1000 for answer in answers], **each, number=number)

    def statements(self, kinds_of: Iterable[Sequence[bytes]]) -> list[float]:
        """Return how many statements one request of each of these lists takes; the first of a list does not count."""
        found = []
        with watching.counted(self.product, self.url) as count:
            for requests in kinds_of:
                load.send_all(self.port, requests[:1], 1)  # what is prepared or cached once
                count()
                load.send_all(self.port, requests[1:], 1)
                found.append(count() / (len(requests) - 1))
        return found

    def documents_of(self, number: int) -> list[dict[str, Any]]:
        """Return new documents, each with a diff of about 4 kB."""
        return list(islice(self.documents, number))

    def posts(self, number: int) -> list[bytes]:
        """Return the requests that take in one patch each."""
        bearer = {"Authorization": f"Bearer {self.tokens['producer']}"}
        return [load.request("POST", "/hitl/patches", body, **bearer) for body in self.documents_of(number)]

    def bulk(self, requests: int, lines: int) -> list[bytes]:
        """Return requests that take in so many patches each."""
        bearer = {"Authorization": f"Bearer {self.tokens['producer']}", "Content_Type": "application/x-ndjson"}
        bodies = [
            b"".join(json.dumps(one).encode() + b"\n" for one in self.documents_of(lines)) for _ in range(requests)
        ]
        return [load.request("POST", "/hitl/patches/bulk", body, **bearer) for body in bodies]

    def approvals(self, number: int) -> list[bytes]:
        """Return requests that each end a decision by one approval."""
        found = rows(self.url, DECIDABLE, [number])
        assert len(found) == number, (self.name, len(found))
        return [
            load.request(
                "POST",
                f"/hitl/patches/{patch_id}/approve",
                {"decision_id": decision_id, "patch_sha256": sha256},
                **person.headers,
            )
            for (decision_id, patch_id, sha256), person in zip(found, cycle(self.people), strict=False)
        ]

    def idle(self, seconds: float) -> float:
        """Return the percentage of a core that all processes take while nobody asks."""
        before = watching.processor_seconds(self.product)
        time.sleep(seconds)
        after = watching.processor_seconds(self.product)
        return sum(after[role] - before.get(role, 0.0) for role in after) / seconds * 100


@contextmanager
def served(name: str, product: Product) -> Iterator[Side]:
    """Run a product on its data and make it ready to be asked."""
    with product.database() as url, product.serve() as port:
        [values] = rows(url, kinds.FACTS)
        people = list(product.people(stories.PEOPLE).values())  # the last one is a lead
        tokens = {
            kind: product.manage("create_token", f"bench-{kind}", "--kind", kind)
            for kind in ("producer", kinds.MACHINE, kinds.AUDITOR)
        }
        facts = {key: str(value) for key, value in zip(kinds.NAMES, values, strict=True)}
        yield Side(name, product, url, port, people, tokens, facts, stories.fresh_documents())


def in_turn(sides: Sequence[Side], pairs: int, measure: Callable[[Side], Figure]) -> list[list[Figure]]:
    """Measure each side in turn, so that what else the machine does falls on both; a list of figures for each."""
    found: list[list[Figure]] = [[] for _ in sides]
    for number in range(pairs):
        order = range(len(sides)) if number % 2 == 0 else reversed(range(len(sides)))
        for place in order:
            found[place].append(measure(sides[place]))
    return found


def middle(figures: Sequence[Figure], name: str) -> float:
    """Return the median of one of the figures' values."""
    return float(statistics.median(getattr(figure, name) for figure in figures))


def middle_ratio(ours: Sequence[Figure], theirs: Sequence[Figure], name: str) -> float:
    """Return the median of the pairs' ratios."""
    pairs = zip(ours, theirs, strict=True)
    return float(statistics.median(getattr(our, name) / (getattr(their, name) or 1e-9) for our, their in pairs))
