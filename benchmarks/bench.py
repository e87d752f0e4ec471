"""Everything that docs/performance.md says, measured anew; see README.md.

python -m benchmarks.bench [--against COMMIT] [--only WORD] [--quick] [--patches N] [--document PATH]
"""

import argparse
import os
import platform
import shlex
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from benchmarks.scale import clusters, compared, kinds, report, watching
from benchmarks.scale.product import ROOT
from benchmarks.scale.sides import Figure, Side, in_turn, middle, middle_ratio, p95, served

REQUESTS, LEAST_REQUESTS, KIND_SECONDS = 40, 6, 8.0
IDLE_SECONDS, MOST_IDLE, MOST_SERVE_MB = 30.0, 1.5, 30.0
PLOTS = {
    "growth-pages": (
        "Pages",
        ("patch page, pending", "patch page, decided", "queue", "history", "analytics page", "audit"),
    ),
    "growth-machines": (
        "Answers as JSON",
        ("summary", "pending, 50 items", "decision by id", "feed, 100 items", "audit, 100 entries, JSON"),
    ),
    "growth-searches": (
        "Searches",
        (
            "history, a frequent word",
            "history, a word that nothing has",
            "audit, an actor without entries",
            "audit, a word that nothing has",
            "audit, a label",
            "queue, weakness and ecosystem",
        ),
    ),
}


@dataclass
class Run:
    """The options, and what was measured so far."""

    options: argparse.Namespace
    directory: Path
    failed: list[str] = field(default_factory=list)

    @property
    def sizes(self) -> list[int]:
        return [1_000, 5_000] if self.options.quick else [1_000, 9_500, 100_000, self.options.patches]

    @property
    def pairs(self) -> int:
        return 2 if self.options.quick else compared.PAIRS

    def work(self, number: int) -> int:
        return max(4, number // 10) if self.options.quick else number

    def wants(self, name: str) -> bool:
        return not self.options.only or any(word in name for word in self.options.only)

    def verdict(self, name: str, holds: bool) -> str:
        if not holds:
            self.failed.append(name)
        return "met" if holds else "MISSED"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--patches", type=int, default=1_000_000, help="of the largest database")
    parser.add_argument("--against", help="an older commit, whose build takes turns with this one")
    parser.add_argument("--only", action="append", help="rows with this in their name; may be repeated")
    parser.add_argument("--quick", action="store_true", help="small databases, few requests: three minutes")
    parser.add_argument(
        "--document", type=Path, help="where to write it; docs/performance.md, if everything is measured"
    )
    options = parser.parse_args()
    if not (options.only or options.quick or options.document):
        options.document = ROOT / "docs" / "performance.md"
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # stop what was started
    with tempfile.TemporaryDirectory(prefix="hitl-bench-") as directory:
        run = Run(options, Path(directory))
        tables, plots = [], []
        if wanted := [kind for kind in kinds.KINDS if run.wants(kind.name)]:
            table, medians = growth(run, wanted)
            tables.append(table)
            plots = draw(run, medians)
        tables += beside(run)
        for table in tables:
            print(table.text(), flush=True)
        if options.document:
            report.document(options.document, facts(options), tables, plots)
    print(f"\n{len(run.failed)} rows missed: {'; '.join(run.failed)}" if run.failed else "\nEvery row is met.")


def growth(run: Run, wanted: Sequence[kinds.Kind]) -> tuple[report.Table, dict[str, list[float]]]:
    """Ask every kind of databases of each size in turn; return the table and each kind's medians by size."""
    with ExitStack() as stack:
        products = [clusters.filled(ROOT, size) for size in run.sizes]
        sides = [stack.enter_context(served(f"{size:,}", one)) for size, one in zip(run.sizes, products, strict=True)]
        for kind in wanted:
            ask_in_turn(sides, kind, LEAST_REQUESTS if run.options.quick else REQUESTS)
        costs = [cost(sides[-1], kind) for kind in wanted]
        statements = sides[-1].statements([sides[-1].request(kind)] * 4 for kind in wanted)
    small, large = sides[0], sides[-1]
    lines = []
    for kind, figure, number in zip(wanted, costs, statements, strict=True):
        first, last = small.times[kind.name], large.times[kind.name]
        more = max(1.0, large.shown[kind.name] / max(1, small.shown[kind.name]))
        ratio = p95(last) / p95(first) / more
        milliseconds = [statistics.median(first), p95(first), statistics.median(last), p95(last)]
        lines.append(
            [
                kind.name,
                *(f"{value:.1f}" for value in milliseconds),
                f"{ratio:.2f}" + ("*" if more > 1 else ""),
                f"{kind.most:g}",
                run.verdict(kind.name, ratio <= kind.most),
                f"{figure.web:.1f} + {figure.database:.1f}",
                f"{number:.0f}",
            ]
        )
    words = (
        f"One request at a time, all databases in turn, milliseconds: {small.name} patches beside {large.name}. The "
        "ratio is that of p95; `*`: per row shown, where the large one shows more. Processor time (web + database) and "
        "statements are those of the large one."
    )
    head = ["request", "p50", "p95", "p50, large", "p95, large", "ratio", "at most", "", "processor ms", "statements"]
    medians = {kind.name: [statistics.median(side.times[kind.name]) for side in sides] for kind in wanted}
    return report.Table(f"Growth: {small.name} to {large.name} patches", words, head, lines), medians


def ask_in_turn(sides: Sequence[Side], kind: kinds.Kind, most: int) -> None:
    """Ask all sides in turn, so many times or for as long as patience lasts."""
    print(f"{kind.name} ...", flush=True)
    for side in sides:
        side.ask(kind)  # warms up caches, templates and plans
        side.times[kind.name] = []
    started = time.perf_counter()
    for number in range(most):
        if number >= LEAST_REQUESTS and time.perf_counter() - started > KIND_SECONDS * len(sides) / 2:
            break
        for side in sides:
            side.times[kind.name].append(side.ask(kind).seconds * 1000)


def cost(side: Side, kind: kinds.Kind) -> Figure:
    """Send such requests once more and return what they took."""
    slow = statistics.median(side.times[kind.name]) > 200
    return side.figure([side.request(kind)] * (4 if slow else len(side.times[kind.name])), 1)


def draw(run: Run, medians: dict[str, list[float]]) -> list[str]:
    """Write the plots that all rows of this run are there for; return their names."""
    drawn = []
    options = run.options
    for name, (title, wanted) in PLOTS.items():
        if options.document and all(one in medians for one in wanted):
            path = options.document.with_name(f"{name}.svg")
            report.growth_plot(path, title, run.sizes, {one: medians[one] for one in wanted})
            drawn.append(name)
    return drawn


def beside(run: Run) -> Iterator[report.Table]:
    """Measure this build, and the older one in turn, on databases of 9,500 patches; then what both take at rest."""
    size = run.sizes[0] if run.options.quick else run.sizes[1]
    wanted = [row for row in compared.COMPARED if run.wants(row.name)]
    rest = run.wants("idle")
    with ExitStack() as stack:
        trees = [("this build", ROOT)]
        if run.options.against:
            trees.append((run.options.against, stack.enter_context(worktree(run.options.against))))
        sides: list[Side] = []
        for name, tree in trees if wanted or rest else []:
            copy = clusters.filled(tree, size).copy(run.directory / str(len(sides)))
            sides.append(stack.enter_context(served(name, copy)))
        found = {row.name: measured(run, sides, row) for row in wanted}
        if wanted:
            yield comparison(run, size, sides, wanted, found)
        if "summary" in found:
            yield from summaries(run, {size: found["summary"][0]})
        if rest:
            yield at_rest(run, sides)


def measured(run: Run, sides: Sequence[Side], row: compared.Compared) -> list[list[Figure]]:
    """Measure one row on all sides in turn, after a short turn that does not count."""
    print(f"{row.name} ...", flush=True)
    for side in sides:
        row.measure(side, max(2, run.work(row.work) // 10))
    return in_turn(sides, run.pairs, lambda side: row.measure(side, run.work(row.work)))


def comparison(
    run: Run,
    size: int,
    sides: Sequence[Side],
    wanted: Sequence[compared.Compared],
    found: dict[str, list[list[Figure]]],
) -> report.Table:
    """Return the table of both builds."""
    lines = []
    for row in wanted:
        for place, side in enumerate(sides):
            figures = found[row.name][place]
            times = [time for figure in figures for time in figure.times]
            statements = f"{side.statements([row.statements(side)])[0]:.0f}" if row.statements else ""
            ratio, bar, verdict = "", "", ""
            if place == 0 and len(sides) > 1:
                value = middle_ratio(found[row.name][0], found[row.name][1], row.value)
                ratio = f"{value:.2f}"
                if row.least is not None or row.most is not None:
                    bar, verdict = row.bar, run.verdict(row.name, row.holds(value))
            lines.append(
                [
                    f"{row.name}: {side.name}",
                    f"{middle(figures, 'rate'):,.0f}",
                    f"{statistics.median(times):.1f}",
                    f"{p95(times):.1f}",
                    f"{middle(figures, 'web'):.2f} + {middle(figures, 'database'):.2f}",
                    statements,
                    ratio,
                    bar,
                    verdict,
                ]
            )
    words = (
        f"{size:,} patches, {run.pairs} pairs in turn, medians; the ratio is the median of the pairs', of the rate or, "
        "for the two pages, which are asked one at a time, of processor time (web + database). Eight in flight where "
        f"nothing else is said; bulk has {compared.BULK_LINES} lines a request."
    )
    head = ["request: build", "a second", "p50, ms", "p95, ms", "processor ms", "statements", "ratio", "must be", ""]
    return report.Table("Beside the older build" if len(sides) > 1 else "Rates", words, head, lines)


def summaries(run: Run, found: dict[int, list[Figure]]) -> Iterator[report.Table]:
    """Yield the summary's rate by the number of patches, beside that of the reference service as it was recorded."""
    row = compared.reading("summary", 160)
    for size in run.sizes[-2:]:
        with served(f"{size:,}", clusters.filled(ROOT, size)) as side:
            found[size] = measured(run, [side], row)[0]
    lines = []
    for size, figures in found.items():
        rate = middle(figures, "rate")
        verdict = run.verdict(f"summary at {size:,}", rate >= compared.S1_SUMMARY)
        lines.append([f"{size:,}", f"{rate:,.0f}", f"{compared.S1_SUMMARY:,.0f}", verdict])
    words = (
        "Requests a second, 8 in flight. The reference service (S1) does not run here: its 330 a second at 9,500 rows "
        "were measured on two such cores. It reads all rows each time, so a tenth of that is taken for its rate "
        "at 100,000, and ten times that is the bar there and at a million."
    )
    yield report.Table("Summary", words, ["patches", "a second", "at least", ""], lines)


def at_rest(run: Run, sides: Sequence[Side]) -> report.Table:
    """Return the table of what each build takes while nobody asks."""
    lines = []
    seconds = 5.0 if run.options.quick else IDLE_SECONDS
    for place, side in enumerate(sides):
        share, held = side.idle(seconds), watching.megabytes(side.product)
        verdicts = ["", ""]
        if place == 0:
            verdicts = [
                run.verdict("idle", share <= MOST_IDLE),
                run.verdict("memory of serve", held["serve"] <= MOST_SERVE_MB),
            ]
        parts = [f"{held.get(role, 0):.0f}" for role in ("serve", "web", "worker", "database", "keeper")]
        lines.append([side.name, f"{share:.1f} %", verdicts[0], parts[0], verdicts[1], *parts[1:]])
    words = (
        f"Processor time of all processes over {seconds:.0f} s (at most {MOST_IDLE} % of a core), and resident memory "
        f"in MB after the requests above (`serve` at most {MOST_SERVE_MB:.0f}; PostgreSQL's without shared memory)."
    )
    return report.Table(
        "At rest", words, ["build", "idle", "", "serve", "", "web", "worker", "database", "keeper"], lines
    )


@contextmanager
def worktree(commit: str) -> Iterator[Path]:
    """Check an older commit out beside this tree, for the same Python."""
    with tempfile.TemporaryDirectory(prefix="hitl-against-") as directory:
        tree = Path(directory, "tree")
        git = partial(subprocess.run, cwd=ROOT, check=True)
        git(["git", "worktree", "add", "--quiet", "--detach", str(tree), commit])
        try:
            yield tree
        finally:
            git(["git", "worktree", "remove", "--force", str(tree)])


def facts(options: argparse.Namespace) -> dict[str, str]:
    """Return what the document's head says about this run."""
    commit = subprocess.run(
        ["git", "describe", "--always", "--dirty"], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout.strip()
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    return {
        "command": f"python -m benchmarks.bench {shlex.join(sys.argv[1:])}".strip(),
        "date": time.strftime("%Y-%m-%d"),
        "machine": f"{os.cpu_count()} processors, {memory:.0f} GB, Python {platform.python_version()}",
        "ours": commit,
        "theirs": f" The older one: `{options.against}`, on a database that its own migrations made."
        if options.against
        else "",
    }


if __name__ == "__main__":
    main()
