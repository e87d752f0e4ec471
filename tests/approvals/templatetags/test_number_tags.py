"""Numbers on pages: cut and never rounded up, small ones as what they are, large ones short."""

from decimal import Decimal

import pytest

from approvals.templatetags.number_tags import delta, number, percent, short, shown_count, signed, small_percent, whole


@pytest.mark.parametrize(
    ("share", "shown"),
    [(0.87, "87"), (0.949, "94.9"), (0.9496, "94.9"), (0.99999, "99.9"), (1.0, "100"), (0.0, "0"), (0.29, "29"),
     (Decimal("0.950"), "95"), (None, "")],
)  # fmt: skip
def test_a_share_is_cut_never_rounded_up_to_what_it_did_not_reach(share: float | None, shown: str) -> None:
    assert percent(share) == shown


@pytest.mark.parametrize(("count", "shown"), [(0, "0"), (999, "999"), (1_000, "1,000"), (1_001, "1,000+")])
def test_rows_are_counted_to_a_thousand(count: int, shown: str) -> None:
    assert shown_count(count) == shown


@pytest.mark.parametrize(("value", "shown"), [(0.14, "+0.140"), (-0.05, "−0.050"), (0, "+0.000"), ("+0.1", "+0.1")])
def test_a_contribution_carries_its_sign(value: float | str, shown: str) -> None:
    assert signed(value) == shown


@pytest.mark.parametrize(("value", "shown"), [(2.0, "2"), (2.5, "2.5"), ("jndi", "jndi"), (7, "7")])
def test_a_whole_number_has_no_fraction(value: float | str, shown: str) -> None:
    assert whole(value) == shown


@pytest.mark.parametrize(
    ("share", "shown"),
    [
        (0.00043, "0.04"),
        (0.0043, "0.43"),
        (0.412, "41.2"),
        (0.94358, "94.35"),
        (0.99999, "99.99"),
        (0.00001, "0.001"),
        (0.0000123, "0.001"),
        (1e-12, "below 0.0001"),
        (0.0, "0"),
        (0.1, "10"),
        (1.0, "100"),
        (None, ""),
    ],
)
def test_a_small_share_is_shown_as_what_it_is(share, shown):
    assert small_percent(share) == shown


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (0.00043, "0.00043"),
        (-0.00043, "-0.00043"),
        (1e-12, "1 × 10^-12"),
        (9_999.5, "9999.500"),
        (123_456.7, "123,457"),
        (1.5e30, "1.5 × 10^30"),
        (1e308 * 10, "∞"),
    ],
)
def test_a_number_is_neither_nothing_nor_a_page_long(value: float, shown: str) -> None:
    assert number(value) == shown
    assert len(signed(value)) < 20
    assert len(whole(value)) < 20


@pytest.mark.parametrize(
    ("count", "shown"),
    [(0, "0"), (9_999, "9,999"), (10_000, "10k"), (12_399, "12.3k"), (999_999, "999.9k"), (1_250_000, "1.2M")],
)
def test_a_large_count_is_short(count: int, shown: str) -> None:
    assert short(count) == shown


def test_added_and_deleted_lines_are_short_and_exact_in_their_title() -> None:
    html = delta(480_000, 3)
    assert "<ins>+480k</ins><del>−3</del>" in html
    assert 'title="480,000 added, 3 deleted"' in html
    assert "<del>" not in delta(1, 0)
