"""Server-rendered SVG for analytics. Pure: numbers in, markup out.

No style attributes and no script, so a strict CSP holds. Horizontal positions are percentages and vertical ones
pixels: text never scales.
"""

from collections.abc import Sequence
from math import ceil, floor, log10

from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString, mark_safe

HEIGHT = 210
Series = tuple[str, str, Sequence[int]]
"""A name, a class of `charts.css` (d1, d2, d5, or hatch) and one number per day."""
Mark = tuple[float, str]
"""Where a line stands, 0 to 1 of the width, and its words."""

HATCH = mark_safe(
    '<defs><pattern id="hatch" width="5" height="5" patternUnits="userSpaceOnUse" patternTransform="rotate(45)">'
    '<rect class="hatch-bg" width="5" height="5"/><line class="hatch-line" x1="0" x2="0" y1="0" y2="5"/></pattern>'
    "</defs>"
)


def stacked(days: Sequence[str], series: Sequence[Series], labelled_by: str, height: int = HEIGHT) -> SafeString:
    """Return one stacked bar per day, the first series at the bottom; `labelled_by` is the id of the heading."""
    top, bottom, count = 10, height - 24, len(days)
    ticks = nice_ticks(max((sum(values[i] for _, _, values in series) for i in range(count)), default=0))
    scale = (bottom - top) / ticks[-1]
    parts: list[SafeString] = [HATCH, _grid(ticks, top, bottom)]
    step = max(1, ceil(count / 8))
    for index, day in enumerate(days):
        here = [(name, css, values[index]) for name, css, values in series]
        parts.append(_column(day, here, index, count, (top, bottom), scale))
        if index % step == 0:
            parts.append(_label((index + 0.5) * 100 / count, height - 6, day, alternate=index // step % 2 == 1))
    return _plot(ticks, top, bottom, height, labelled_by, parts)


def _column(
    day: str, here: Sequence[tuple[str, str, int]], index: int, count: int, span: tuple[int, int], scale: float
) -> SafeString:
    """Return the bar of one day with a name that says all of its numbers."""
    top, bottom = span
    left, width, y = (index + 0.16) * 100 / count, 68 / count, float(bottom)
    rects = [
        format_html(
            '<rect x="{}" y="{}" width="{}" height="{}" fill="transparent"/>',
            _pct(index * 100 / count),
            top,
            _pct(100 / count),
            bottom - top,
        )
    ]
    for _, css, value in here:
        if value:
            y -= value * scale
            fill = mark_safe('fill="url(#hatch)"') if css == "hatch" else format_html('class="{}"', css)
            rects.append(
                format_html(
                    '<rect {} x="{}" y="{}" width="{}" height="{}" rx="1.5"/>',
                    fill,
                    _pct(left),
                    _px(y + 1),
                    _pct(width),
                    _px(max(value * scale - 1, 1)),
                )
            )
    words = ", ".join(f"{value} {name.lower()}" for name, _, value in here)
    return format_html('<g class="bar"><title>{}: {}</title>{}</g>', day, words, _joined(rects))


def histogram(
    edges: Sequence[str],
    counts: Sequence[int],
    labelled_by: str,
    marks: Sequence[Mark] = (),
    height: int = HEIGHT,
) -> SafeString:
    """Return one bar per bin; `edges` are the labels between bins, so the last bin of `counts` has no upper edge."""
    if len(counts) != len(edges) + 1:
        raise ValueError(f"{len(edges)} edges make {len(edges) + 1} bins, not {len(counts)}.")
    top, bottom, bins = 34 if marks else 10, height - 24, len(counts)
    ticks = nice_ticks(max(counts))
    parts = [_grid(ticks, top, bottom)]
    for index, number in enumerate(counts):
        tall = (bottom - top) * number / ticks[-1]
        parts.append(
            format_html(
                '<g class="bar"><title>{}: {}</title>'
                '<rect class="d1" x="{}" y="{}" width="{}" height="{}" rx="2"/></g>',
                bin_words(edges, index),
                _decisions(number),
                _pct((index + 0.05) * 100 / bins),
                _px(bottom - tall),
                _pct(90 / bins),
                _px(tall),
            )
        )
        if index < len(edges):
            parts.append(_label((index + 1) * 100 / bins, height - 6, edges[index], alternate=index % 2 == 1))
    parts += [_mark(mark, 12 + 14 * (index % 2), bottom) for index, mark in enumerate(marks)]
    return _plot(ticks, top, bottom, height, labelled_by, parts)


def bin_words(edges: Sequence[str], index: int) -> str:
    """Return the name of a bin: up to the first edge, between two, over the last."""
    if index == 0:
        return f"up to {edges[0]}"
    return f"over {edges[-1]}" if index == len(edges) else f"{edges[index - 1]} to {edges[index]}"


def _mark(mark: Mark, y: int, bottom: int) -> SafeString:
    """Return a dashed line across the plot with its words; they stand to the left where the right has no room."""
    place, words = mark
    anchor, shift = ("end", -6) if place > 0.7 else ("start", 6)
    return format_html(
        '<line class="mark" x1="{x}" x2="{x}" y1="{top}" y2="{bottom}"/>'
        '<text class="lbl-strong" x="{x}" dx="{shift}" y="{y}" text-anchor="{anchor}">{words}</text>',
        x=_pct(place * 100),
        top=y - 10,
        bottom=bottom,
        shift=shift,
        y=y,
        anchor=anchor,
        words=words,
    )


def nice_ticks(most: float) -> list[int]:
    """Return whole-number ticks from 0 to at least `most`, three to five of them, in steps of 1, 2 or 5 times ten."""
    step = 1
    if most > 4:
        power = 10 ** floor(log10(most / 4))
        step = int(next(factor * power for factor in (1, 2, 5, 10) if factor * power * 4 >= most))
    return [step * index for index in range(max(ceil(most / step), 2) + 1)]


def _plot(
    ticks: Sequence[int], top: int, bottom: int, height: int, labelled_by: str, parts: Sequence[SafeString]
) -> SafeString:
    """Return the axis and the plot beside it; the grid of `charts.css` gives the axis its width."""
    scale = (bottom - top) / ticks[-1]
    labels = format_html_join(
        "",
        '<text x="28" y="{}" text-anchor="end">{}</text>',
        ((_px(bottom - tick * scale + 4), f"{tick:,}") for tick in ticks),
    )
    return format_html(
        '<svg width="30" height="{0}" aria-hidden="true" focusable="false">{1}</svg>'
        '<svg class="chart__plot" width="100%" height="{0}" role="img" aria-labelledby="{2}">{3}</svg>',
        height,
        labels,
        labelled_by,
        _joined(parts),
    )


def _grid(ticks: Sequence[int], top: int, bottom: int) -> SafeString:
    scale = (bottom - top) / ticks[-1]
    # Half a pixel keeps a line of one pixel from being drawn over two.
    rows = (("grid" if tick else "axis", _px(round(bottom - tick * scale) + 0.5)) for tick in ticks)
    return format_html_join("", '<line class="{0}" x1="0" x2="100%" y1="{1}" y2="{1}"/>', rows)


def _label(x: float, y: int, text: str, alternate: bool = False) -> SafeString:
    """Return a label under the axis; alternate ones are left out where the page is narrow."""
    return format_html(
        '<text x="{}" y="{}" text-anchor="middle"{}>{}</text>',
        _pct(x),
        y,
        mark_safe(' class="alt"') if alternate else "",
        text,
    )


def _joined(parts: Sequence[SafeString]) -> SafeString:
    return format_html_join("", "{}", ((part,) for part in parts))


def _decisions(number: int) -> str:
    return f"{number:,} decision{'' if number == 1 else 's'}"


def _pct(value: float) -> str:
    return f"{_px(value, 2)}%"


def _px(value: float, digits: int = 1) -> str:
    text = f"{value:.{digits}f}"
    return text.rstrip("0").rstrip(".") if "." in text else text
