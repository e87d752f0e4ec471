"""The small line beside a key figure: server-rendered SVG without style or script."""

from collections.abc import Sequence

from django import template
from django.utils.html import format_html
from django.utils.safestring import SafeString, mark_safe

register = template.Library()


@register.simple_tag
def sparkline(values: Sequence[float], kind: str = "quiet") -> SafeString:
    """Return a small line without scale; '' for fewer than two values, which show no course."""
    if len(values) < 2:
        return mark_safe("")
    low, high = min(values), max(values)
    span = (high - low) or 1
    points = [
        (index * 100 / (len(values) - 1), 25 - 22 * (value - low) / span if high > low else 25.0)
        for index, value in enumerate(values)
    ]
    return format_html(
        '<svg class="spark spark--{kind}" aria-hidden="true" focusable="false">'
        '<svg viewBox="0 0 100 28" preserveAspectRatio="none" width="100%" height="100%">'
        '<polygon class="area" points="0,28 {line} 100,28"/><polyline class="line" points="{line}"/></svg>'
        '<circle class="dot" cx="100%" cy="{dot}" r="2.5"/></svg>',
        kind=kind,
        line=" ".join(f"{x:.1f},{y:.1f}" for x, y in points),
        dot=f"{points[-1][1] * 26 / 28:.1f}",
    )
