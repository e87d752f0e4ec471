"""Marks that templates print: icons, badges, meters. Text is in `text_tags`, times and clocks in `clock_tags`."""

from dataclasses import dataclass
from decimal import Decimal
from functools import cache, lru_cache
from typing import Any

from django import template
from django.conf import settings
from django.templatetags.static import static
from django.utils.html import format_html
from django.utils.safestring import SafeString, mark_safe

from approvals.models import Category, Decision, Patch, Priority, Status, Wargaming
from approvals.queries import decision_facts
from approvals.queries.decision_facts import LastChange
from audit.types import badge_of
from audit.words import label

from .number_tags import percent

register = template.Library()

# Every status with a shape and a word; colour only repeats what they say.
STATUS_MARKS: dict[str, tuple[str, str]] = {
    Status.PENDING: ("hourglass", "info"),
    Status.APPROVED: ("check-disc", "success"),
    Status.AUTO_APPROVED: ("spark", "violet"),
    Status.REJECTED: ("x-disc", "danger"),
    Status.CHANGES_REQUESTED: ("undo", "warning"),
    Status.EXPIRED: ("clock", "warning"),
    Status.CANCELLED: ("ban", "outline"),
    Status.SUPERSEDED: ("layers", "info"),
    Status.REVOKED: ("shield-x", "danger"),
}
WARGAMING_MARKS: dict[str, tuple[str, str, str]] = {
    Wargaming.PASSED: ("shield-check", "success", "PASSED"),
    Wargaming.FAILED: ("shield-x", "danger", "FAILED"),
    Wargaming.INCONCLUSIVE: ("dash-disc", "warning", "INCONCLUSIVE"),
    Wargaming.ERROR: ("error", "warning", "ERROR"),
    Wargaming.NOT_RUN: ("minus", "outline", "NOT RUN"),
}


JOINTS: dict[bool | None, tuple[str, str]] = {
    True: ("agree", "Agree"),
    False: ("disagree", "Disagree"),
    None: ("nocompare", "One signal"),
}


# A page has a hundred icons and badges, and few different ones: each is made once.
@register.simple_tag
@cache
def sprite() -> str:
    """Return the address of all icons."""
    return static("icons.svg")


@register.simple_tag
@lru_cache(maxsize=2048)
def icon(name: str, cls: str = "", label: str = "") -> SafeString:
    """Return an icon of the sprite: decorative without a label, an image with a name with one."""
    named = format_html('role="img" aria-label="{}"', label) if label else mark_safe('aria-hidden="true"')
    return format_html(
        '<svg class="{}" {} focusable="false"><use href="{}#i-{}"/></svg>',
        f"icon {cls}".strip(),
        named,
        sprite(),
        name,
    )


def badge(kind: str, icon_name: str, word: str, cls: str = "", title: str = "") -> SafeString:
    """Return a badge: shape, word, then colour."""
    classes = " ".join(part for part in ("badge", f"badge--{kind}" if kind else "", cls) if part)
    hint = format_html(' title="{}"', title) if title else ""
    return format_html('<span class="{}"{}>{}{}</span>', classes, hint, icon(icon_name), word)


@register.simple_tag
@lru_cache(maxsize=256)
def prio(priority: int | str, cls: str = "") -> SafeString:
    """Return the mark of a priority, given as its number or its name."""
    level = Priority(priority) if isinstance(priority, int) else Priority[priority.upper()]
    name = level.name.lower()
    return format_html(
        '<span class="{}">{}{}</span>', f"prio prio--{name} {cls}".strip(), icon(f"p-{name}"), level.label
    )


@register.simple_tag
@lru_cache(maxsize=256)
def prio_badge(priority: int | str, cls: str = "badge--lg") -> SafeString:
    """Return a priority as a badge, for headings."""
    level = Priority(priority) if isinstance(priority, int) else Priority[priority.upper()]
    name = level.name.lower()
    return badge(name, f"p-{name}", level.label, cls)


@register.simple_tag
@lru_cache(maxsize=256)
def status_badge(status: str, cls: str = "") -> SafeString:
    """Return the badge of any of the nine statuses."""
    icon_name, kind = STATUS_MARKS[status]
    return badge(kind, icon_name, Status(status).label, cls)


@register.simple_tag
@lru_cache(maxsize=256)
def wargaming_badge(value: str) -> SafeString:
    """Return one of the five words. Only PASSED is green: no evidence is never shown as better than it is."""
    icon_name, kind, word = WARGAMING_MARKS[value]
    return badge(kind, icon_name, word)


@register.simple_tag
@lru_cache(maxsize=256)
def ml_badge(prediction: bool | None, cls: str = "") -> SafeString:
    """Return SUCCESS, FAIL, or NOT SCORED when the producer sent no prediction."""
    if prediction is None:
        return badge("outline", "minus", "NOT SCORED", cls)
    return badge("success", "check", "SUCCESS", cls) if prediction else badge("danger", "x", "FAIL", cls)


@register.simple_tag
def agreement_badge(patch: Patch) -> SafeString:
    """Return whether ML and wargaming say the same, for the head of the evidence."""
    if patch.agreement is None:
        return badge("outline", "nocompare", "Nothing to compare", title="At least one of the two gave no verdict")
    if patch.agreement:
        return badge("success", "agree", "ML and wargaming agree", "badge--outline")
    return badge("warning", "disagree", "ML and wargaming disagree", "badge--outline")


@register.simple_tag
def meter(
    value: float | str, kind: str = "accent", tick: float | str | None = None, label: str = "ML confidence"
) -> SafeString:
    """Return a bar for 0 to 100 %, with a tick where automatic approval would begin."""
    tip = f"{label} {value} %" + (f", auto-approval needs {tick} %" if tick else "")
    line = format_html('<line class="meter__tick" x1="{0}%" x2="{0}%" y1="0" y2="10"/>', tick) if tick else ""
    return format_html(
        '<svg class="meter meter--{kind}" role="meter" aria-label="{label}" aria-valuemin="0" aria-valuemax="100"'
        ' aria-valuenow="{value}" focusable="false"><title>{tip}</title>'
        '<rect class="meter__track" width="100%" y="3" height="4" rx="2"/>'
        '<rect class="meter__fill" width="{value}%" y="3" height="4" rx="2"/>{line}</svg>',
        kind=kind,
        label=label,
        value=value,
        tip=tip,
        line=line,
    )


@register.simple_tag
@cache
def gate_badge() -> SafeString:
    """Return the mark of a workflow gate."""
    return badge("outline", "branch", "Workflow gate", title="A workflow waits for this decision; there is no diff")


@dataclass(frozen=True, slots=True)
class Concord:
    """ML and wargaming side by side, with whether they agree."""

    confidence: str  # of the model, in percent; '' where none was sent
    threshold: str  # where automatic approval would begin, in percent; '' without one
    kind: str  # the colour of the meter
    note: str  # what wargaming showed
    joint: str  # agree, disagree or none
    joint_icon: str
    joint_word: str


def concord_of(patch: Patch, threshold: Decimal | None = None) -> Concord:
    """Return what ML and wargaming say of a patch, beside its policy's threshold."""
    icon_name, word = JOINTS[patch.agreement]
    if patch.agreement is None and patch.ml_prediction is None and patch.wargaming_passed is None:
        word = "No signal"
    return Concord(
        confidence=percent(patch.ml_confidence),
        threshold=percent(threshold and max(threshold, settings.AUTO_APPROVE_THRESHOLD)),
        kind={True: "accent", False: "danger", None: "neutral"}[patch.ml_prediction],
        note=wargaming_note(patch),
        joint="none" if patch.agreement is None else icon_name,
        joint_icon=icon_name,
        joint_word=word,
    )


def wargaming_note(patch: Patch) -> str:
    """Return in a few words what the run showed."""
    words: dict[str, str] = {
        Wargaming.PASSED: "exploit blocked",
        Wargaming.FAILED: "exploit works" if patch.wargaming_phase2 is False else "validation failed",
        Wargaming.INCONCLUSIVE: "never worked" if patch.wargaming_phase1 is False else "no result",
        Wargaming.ERROR: "broke off",
        Wargaming.NOT_RUN: "no run sent",
    }
    return words[patch.wargaming]


@register.filter
def last_change(decision: Decision) -> LastChange:
    """Return who gave the decision its present status, and when."""
    return decision_facts.last_change(decision)


@register.filter
def category_label(code: str) -> str:
    """Return the words for a rejection category; '' for none and the code itself for one from elsewhere."""
    return str(dict(Category.choices).get(code, code))


@register.filter
def failing(trace: list[dict[str, Any]]) -> int:
    """Return how many conditions of a trace are not met; absent evidence counts as not met."""
    return sum(1 for condition in trace if condition.get("outcome") != "pass")


@register.simple_tag
def action_badge(type: str) -> SafeString:
    """Return the badge of an audit entry's type."""
    icon_name, tone = badge_of(type)
    return badge(tone, icon_name, label(type))


@register.filter
def kind_class(kind: str) -> str:
    """Return the class that colours an icon for a kind of state."""
    return f"is-{kind}"
