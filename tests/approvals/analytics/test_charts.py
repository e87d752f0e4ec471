"""Charts: drawn from their data, readable without colour and without sight, safe under a strict CSP."""

import re
from collections.abc import Sequence
from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st

from approvals.analytics.charts import histogram, nice_ticks, stacked
from approvals.templatetags.spark_tags import sparkline

DAYS = [f"{day} Nov" for day in range(1, 29)]
EDGES = ["1 min", "5 min", "1 h"]


def parsed(svg: str) -> ElementTree.Element:
    """Read the markup strictly: a browser forgives what a reader of the source should not have to."""
    return ElementTree.fromstring(f"<div>{svg}</div>")


def series(*counts: Sequence[int]) -> list[tuple[str, str, Sequence[int]]]:
    names = [("Approved", "d1"), ("Auto-approved", "d2"), ("Rejected", "hatch"), ("Expired", "d5")]
    return [(name, css, values) for (name, css), values in zip(names, counts, strict=False)]


def heights(svg: str, css: str) -> list[float]:
    return [float(bar.get("height", "")) for bar in parsed(svg).iter("rect") if bar.get("class") == css]


@pytest.mark.parametrize(
    ("most", "ticks"),
    [
        (0, [0, 1, 2]), (1, [0, 1, 2]), (4, [0, 1, 2, 3, 4]), (5, [0, 2, 4, 6]), (42, [0, 20, 40, 60]),
        (150, [0, 50, 100, 150]), (1001, [0, 500, 1000, 1500]),
    ],
)  # fmt: skip
def test_ticks_are_round_and_reach_the_largest_value(most: int, ticks: list[int]) -> None:
    assert nice_ticks(most) == ticks


@given(st.integers(0, 10_000_000))
def test_every_value_fits_under_few_ticks(most: int) -> None:
    ticks = nice_ticks(most)
    assert ticks[-1] >= most
    assert 3 <= len(ticks) <= 6
    assert len({after - before for before, after in zip(ticks, ticks[1:], strict=False)}) == 1


def test_a_bar_is_as_tall_as_its_number() -> None:
    svg = stacked(DAYS[:2], series([10, 20]), "title")
    small, large = heights(svg, "d1")
    assert large + 1 == pytest.approx((small + 1) * 2, abs=0.2)


def test_the_scale_follows_the_data() -> None:
    assert ">2,000</text>" in stacked(DAYS[:1], series([2000]), "title")
    assert ">2,000</text>" not in stacked(DAYS[:1], series([3]), "title")


def test_a_day_tells_all_its_numbers_in_words() -> None:
    svg = stacked(["7 Nov"], series([3], [0], [2]), "title")
    assert "<title>7 Nov: 3 approved, 0 auto-approved, 2 rejected</title>" in svg


def test_rejected_is_told_apart_without_colour() -> None:
    svg = stacked(["7 Nov"], series([1], [1], [1]), "title")
    assert 'fill="url(#hatch)"' in svg
    assert '<pattern id="hatch"' in svg


def test_a_chart_is_named_by_its_heading() -> None:
    for svg in (stacked(DAYS, series([1] * 28), "chart-days"), histogram(EDGES, [1, 2, 3, 4], "chart-days")):
        assert 'role="img" aria-labelledby="chart-days"' in svg


@pytest.mark.parametrize("days", [1, 7, 28, 90, 366])
def test_labels_stay_few_however_long_the_period(days: int) -> None:
    svg = stacked([str(day) for day in range(days)], series([1] * days), "title")
    assert svg.count('text-anchor="middle"') <= 8


def test_a_period_without_decisions_still_has_its_axis() -> None:
    for svg in (
        stacked(DAYS, series([0] * 28), "title"),
        stacked([], series([]), "title"),
        histogram(EDGES, [0] * 4, "t"),
    ):
        assert parsed(svg).findall(".//line[@class='axis']")
        assert not heights(svg, "d1") or set(heights(svg, "d1")) == {0.0}


def test_a_histogram_names_every_bin() -> None:
    svg = histogram(EDGES, [1, 2, 0, 4], "title")
    titles = re.findall(r"<title>(.*?)</title>", svg)
    assert titles == [
        "up to 1 min: 1 decision",
        "1 min to 5 min: 2 decisions",
        "5 min to 1 h: 0 decisions",
        "over 1 h: 4 decisions",
    ]


def test_a_histogram_refuses_bins_that_do_not_fit_its_edges() -> None:
    with pytest.raises(ValueError, match="make 4 bins, not 3"):
        histogram(EDGES, [1, 2, 3], "title")


def test_a_mark_near_the_right_edge_has_its_words_to_the_left() -> None:
    svg = histogram(EDGES, [1, 2, 3, 4], "title", marks=[(0.2, "p50 4 min"), (0.9, "p95 2 h")])
    assert re.search(r'text-anchor="start">p50 4 min<', svg)
    assert re.search(r'text-anchor="end">p95 2 h<', svg)


def test_a_line_needs_two_values_to_show_a_course() -> None:
    assert sparkline([]) == sparkline([7]) == ""
    assert "polyline" in sparkline([1, 2])


@pytest.mark.parametrize("values", [[5, 5, 5], [0, 0], [-1, 1], [1e9, 0]])
def test_a_line_stays_inside_its_box(values: list[float]) -> None:
    points = parsed(sparkline(values)).find(".//polyline")
    assert points is not None
    ys = [float(point.split(",")[1]) for point in points.get("points", "").split()]
    assert all(0 <= y <= 28 for y in ys)


def test_names_from_outside_cannot_become_markup() -> None:
    svg = stacked(["<b>"], [("<script>", "d1", [1])], "title")
    assert "<script>" not in svg
    assert "<b>" not in svg


def test_nothing_needs_inline_style_or_script() -> None:
    for svg in (stacked(DAYS, series([3] * 28), "t"), histogram(EDGES, [1, 2, 3, 4], "t"), sparkline([1, 2])):
        assert "style" not in svg
        assert "<script" not in svg
        assert not re.search(r"\son\w+=", svg)
