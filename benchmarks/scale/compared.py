"""What is measured beside an older build on databases of the same size, and how much better it must be."""

from collections.abc import Callable
from dataclasses import dataclass

from . import kinds
from .sides import Figure, Side

EIGHT, MANY = 8, 24
PAIRS = 5
S1_SUMMARY = 330.0  # requests a second of the reference service at 9,500 rows, measured on two cores
BULK_LINES = 100


@dataclass(frozen=True)
class Compared:
    """One row: how it is measured with so much work, which value counts, and its bar."""

    name: str
    measure: Callable[[Side, int], Figure]
    work: int
    value: str = "rate"
    least: float | None = None
    most: float | None = None
    statements: Callable[[Side], list[bytes]] | None = None

    def holds(self, ratio: float) -> bool:
        """Tell whether a ratio meets the bar."""
        return (self.least is None or ratio >= self.least) and (self.most is None or ratio <= self.most)

    @property
    def bar(self) -> str:
        """Return the bar in words."""
        return f"at least {self.least:g}" if self.least is not None else f"at most {self.most:g}"


def _kind(name: str) -> kinds.Kind:
    return next(kind for kind in kinds.KINDS if kind.name == name)


def reading(
    name: str, work: int, *, value: str = "rate", least: float | None = None, most: float | None = None
) -> Compared:
    """Return the row of a request that only reads."""
    kind, in_flight = _kind(name), EIGHT if value == "rate" else 1

    def measure(side: Side, number: int) -> Figure:
        return side.figure([side.request(kind)] * number, in_flight)

    return Compared(name, measure, work, value, least, most, lambda side: [side.request(kind)] * 6)


def single(in_flight: int, least: float) -> Compared:
    """Return the row of one POST at a time from each client."""

    def measure(side: Side, number: int) -> Figure:
        return side.figure(side.posts(number), in_flight, status=201)

    return Compared(f"POST, 4 kB, {in_flight} in flight", measure, 320, "rate", least, None, lambda side: side.posts(6))


def bulk(side: Side, requests: int) -> Figure:
    """Take in 100 lines a request; the figure is of a line."""
    return side.figure(side.bulk(requests, BULK_LINES), EIGHT, number=requests * BULK_LINES)


def approve(side: Side, number: int) -> Figure:
    """End so many decisions, each by one approval."""
    return side.figure(side.approvals(number), EIGHT)


COMPARED = (
    reading("pending, 50 items", 160, least=5),
    reading("decision by id", 400, least=2),
    reading("feed, 100 items", 120, least=2),
    reading("audit, 100 entries, JSON", 120, least=2),
    reading("summary", 160),
    single(EIGHT, 1.5),
    single(MANY, 1.7),
    Compared("bulk, lines", bulk, 8, "rate", 1.3),
    Compared("approve", approve, 120, "rate", 1.4, None, lambda side: side.approvals(6)),
    reading("queue", 40, value="cost", most=0.55),
    reading("patch page, pending", 40, value="cost", most=0.7),
)
