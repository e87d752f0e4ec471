"""Numbers as pages show them: never rounded up to what they are not, small ones as what they are, large ones short."""

from decimal import ROUND_DOWN, Decimal
from math import isinf

from django import template
from django.utils.html import format_html
from django.utils.safestring import SafeString

from approvals.queries import queue

register = template.Library()

SMALLEST_PERCENT = Decimal("0.0001")


@register.filter
def percent(value: float | Decimal | None) -> str:
    """Return a share of 1 in percent, at most one decimal, cut and never rounded up: 0.9496 is not yet 95."""
    if value is None:
        return ""
    exact = (Decimal(repr(value)) if isinstance(value, float) else Decimal(value)) * 100
    cut = exact.quantize(Decimal("0.1"), rounding=ROUND_DOWN)
    return f"{cut:f}".removesuffix(".0")


@register.filter
def small_percent(value: float | None) -> str:
    """Return a share of 1 in percent with two decimals, or as many as its first digit needs: 0.00043 is 0.04.

    Cut and never rounded up, as `percent` is; FIRST writes EPSS scores so.
    """
    if value is None:
        return ""
    exact = Decimal(repr(value)) * 100
    if 0 < exact < SMALLEST_PERCENT:
        return f"below {SMALLEST_PERCENT:f}"
    places = Decimal("0.01") if exact >= Decimal("0.01") or not exact else Decimal(1).scaleb(exact.adjusted())
    cut = f"{exact.quantize(places, rounding=ROUND_DOWN):f}"
    return cut.rstrip("0").rstrip(".") if "." in cut else cut


@register.filter
def signed(value: float | str) -> str:
    """Return a contribution with its sign; text comes back as it is."""
    if isinstance(value, str):
        return value
    return f"{'−' if value < 0 else '+'}{number(abs(value))}"


@register.filter
def number(value: float | str) -> str:
    """Return a number with three decimals, a smaller or larger one with three digits; text comes back as it is."""
    if isinstance(value, str):
        return value
    if value and not 0.001 <= abs(value) < 10_000:
        return _three_digits(value)
    return f"{value:.3f}"


@register.filter
def whole(value: float | str) -> str:
    """Return a feature's value: a whole number without its '.0', otherwise as many digits as say something."""
    if isinstance(value, str):
        return value
    if value and not 0.0001 <= abs(value) < 1e9:
        return _three_digits(value)
    return f"{value:.6f}".rstrip("0").rstrip(".")


@register.filter
def short(value: int) -> str:
    """Return a count: up to 9,999 as it is, then in thousands, millions or billions, cut and never rounded up."""
    for unit, size in (("G", 10**9), ("M", 10**6), ("k", 10**3)):
        if value >= size and value >= 10_000:
            tenths = value * 10 // size
            return f"{tenths // 10}.{tenths % 10}{unit}".replace(".0", "")
    return f"{value:,}"


@register.filter
def shown_count(count: int, more: bool = False) -> str:
    """Return a count of rows as the queries count them: exact up to 1,000, then '1,000+'; or '12+' where there may be
    more."""
    return f"{queue.COUNT_LIMIT:,}+" if count > queue.COUNT_LIMIT else f"{count:,}{'+' * more}"


@register.simple_tag
def delta(additions: int, deletions: int) -> SafeString:
    """Return how many lines are added and deleted, short; where they are cut the title has them."""
    added = format_html("<ins>+{}</ins>", short(additions)) if additions else ""
    deleted = format_html("<del>−{}</del>", short(deletions)) if deletions else ""
    if max(additions, deletions) < 10_000:
        return format_html('<span class="delta">{}{}</span>', added, deleted)
    title = f"{additions:,} added, {deletions:,} deleted"
    return format_html('<span class="delta" title="{}">{}{}</span>', title, added, deleted)


def _three_digits(value: float) -> str:
    if isinf(value):  # the sum of large ones
        return "−∞" if value < 0 else "∞"
    mantissa, _, exponent = f"{value:.2e}".partition("e")
    if -7 < int(exponent) < 7:
        return f"{value:.3g}" if int(exponent) < 0 else f"{value:,.0f}"
    return f"{mantissa.rstrip('0').rstrip('.')} × 10^{int(exponent)}"
