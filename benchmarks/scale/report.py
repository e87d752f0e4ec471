"""The tables of a run, as text for the terminal and as Markdown; docs/performance.md with plots of growth."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pygal
from pygal.style import CleanStyle

HEAD = """\
# Performance

Written whole by `{command}` on {date}: {machine}. All of it was measured in that
run unless a line says otherwise; do not edit it by hand.

This build: `{ours}`.{theirs} Times are those of a client on the same machine;
processor time is that of web (gunicorn with its two workers) and database; statements are counted in PostgreSQL's log.
The rows come from `benchmarks/scale/`: real patches, taken in and decided by the product, then multiplied.
"""


@dataclass(frozen=True)
class Table:
    """A titled table; the last column of a row with a bar says whether it is met."""

    title: str
    words: str
    head: Sequence[str]
    rows: Sequence[Sequence[str]]

    def text(self) -> str:
        """Return it with aligned columns."""
        lines = [self.head, *self.rows]
        widths = [max(len(line[column]) for line in lines) for column in range(len(self.head))]
        body = [
            "  ".join(
                cell.ljust(width) if column == 0 else cell.rjust(width) for column, (cell, width) in pairs
            ).rstrip()
            for pairs in (list(enumerate(zip(line, widths, strict=True))) for line in lines)
        ]
        return "\n".join([f"\n{self.title}", *body])

    def markdown(self) -> str:
        """Return it as a section of a document."""
        rule = "|---|" + "---:|" * (len(self.head) - 1)
        lines = ["| " + " | ".join(line) + " |" for line in (self.head, *self.rows)]
        return "\n".join([f"\n## {self.title}\n", self.words, "", lines[0], rule, *lines[1:]])


def growth_plot(path: Path, title: str, sizes: Sequence[int], series: dict[str, list[float]]) -> None:
    """Write how the medians grow with the number of patches."""
    chart = pygal.Line(
        style=CleanStyle,
        title=title,
        width=900,
        height=420,
        logarithmic=True,
        show_dots=False,
        js=[],
        legend_at_bottom=True,
        legend_at_bottom_columns=3,
        x_title="patches",
        y_title="median, ms",
        disable_xml_declaration=True,
        value_formatter=lambda value: f"{value:g}",
    )
    chart.x_labels = [f"{size:,}" for size in sizes]
    for name, values in series.items():
        chart.add(name, values)
    path.write_text(chart.render(is_unicode=True) + "\n", "utf-8")


def document(path: Path, facts: dict[str, str], tables: Sequence[Table], plots: Sequence[str]) -> None:
    """Write docs/performance.md."""
    pictures = [f"\n![{name.replace('-', ' ')}]({name}.svg)" for name in plots]
    body = "\n".join([HEAD.format(**facts), *(table.markdown() for table in tables[:1]), *pictures])
    path.write_text("\n".join([body, *(table.markdown() for table in tables[1:])]) + "\n", "utf-8")
