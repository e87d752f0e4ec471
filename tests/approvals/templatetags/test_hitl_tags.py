"""What the marks say to a reader: every state in a word, and absence never as something better."""

import re
from decimal import Decimal

import pytest
from django.template import Context, Template
from django.utils.html import strip_tags

from approvals.models import Category, Patch, Priority, Severity, Status, Wargaming
from approvals.templatetags.compiled_tags import drawn
from approvals.templatetags.hitl_tags import (
    action_badge,
    agreement_badge,
    category_label,
    concord_of,
    failing,
    icon,
    meter,
    ml_badge,
    prio,
    prio_badge,
    status_badge,
    wargaming_badge,
    wargaming_note,
)
from audit.types import TYPES
from hitl.settings import BASE_DIR

SPRITE = (BASE_DIR / "static" / "icons.svg").read_text()


def words(html: str) -> str:
    return " ".join(strip_tags(html).split())


def icons_in(html: str) -> list[str]:
    return re.findall(r"#(i-[\w-]+)", html)


def rendered(source: str, **context: object) -> str:
    return Template("{% load hitl_tags %}" + source).render(Context(context))


def test_an_icon_is_silent_unless_it_has_a_name() -> None:
    assert 'aria-hidden="true"' in icon("check")
    assert 'role="img" aria-label="Viewed"' in icon("check", "icon--sm", "Viewed")
    assert "&lt;b&gt;" in icon("check", "", "<b>")


@pytest.mark.parametrize("status", Status)
def test_every_status_has_a_shape_of_the_sprite_and_its_word(status: Status) -> None:
    html = status_badge(status)
    assert words(html) == status.label
    assert f'id="{icons_in(html)[0]}"' in SPRITE


def test_the_nine_statuses_differ_without_colour() -> None:
    assert len({words(status_badge(status)) for status in Status}) == 9


@pytest.mark.parametrize("word", Wargaming)
def test_wargaming_has_five_words_and_only_passed_looks_good(word: Wargaming) -> None:
    html = wargaming_badge(word)
    assert words(html) == word.label.upper()
    assert ("badge--success" in html) == (word == Wargaming.PASSED)


@pytest.mark.parametrize(("prediction", "word"), [(True, "SUCCESS"), (False, "FAIL"), (None, "NOT SCORED")])
def test_a_missing_prediction_says_not_scored(prediction: bool | None, word: str) -> None:
    html = ml_badge(prediction)
    assert words(html) == word
    assert ("badge--success" in html) == (prediction is True)


@pytest.mark.parametrize("given", [Priority.CRITICAL, 4, "critical", "CRITICAL"])
def test_a_priority_is_shown_from_its_number_or_its_name(given: int | str) -> None:
    assert words(prio(given)) == "Critical"
    assert icons_in(prio(given)) == icons_in(prio_badge(given)) == ["i-p-critical"]


def test_a_meter_tells_its_value_and_where_auto_approval_begins() -> None:
    html = meter("87", "accent", "95")
    assert 'role="meter"' in html
    assert 'aria-valuenow="87"' in html
    assert "auto-approval needs 95 %" in html
    assert "style" not in html
    assert "meter__tick" not in meter("87")


@pytest.mark.parametrize(
    ("prediction", "wargaming", "word"),
    [
        (True, Wargaming.PASSED, "Agree"),
        (False, Wargaming.FAILED, "Agree"),
        (True, Wargaming.FAILED, "Disagree"),
        (False, Wargaming.PASSED, "Disagree"),
        (True, Wargaming.NOT_RUN, "One signal"),
        (None, Wargaming.PASSED, "One signal"),
        (True, Wargaming.INCONCLUSIVE, "One signal"),
        (None, Wargaming.ERROR, "No signal"),
        (None, Wargaming.NOT_RUN, "No signal"),
    ],
)
def test_the_two_signals_agree_only_when_both_spoke(prediction: bool | None, wargaming: str, word: str) -> None:
    patch = Patch(ml_prediction=prediction, ml_confidence=0.9, wargaming=wargaming)
    html = drawn("approvals/_concord.html", patch=patch, concord=concord_of(patch, Decimal("0.95")))
    assert words(html).endswith(word)
    assert ("disagree" in words(agreement_badge(patch))) == (word == "Disagree")


def test_a_patch_without_evidence_shows_no_bar_and_says_so() -> None:
    patch = Patch(wargaming=Wargaming.NOT_RUN)
    html = drawn("approvals/_concord.html", patch=patch, concord=concord_of(patch))
    assert "NOT SCORED" in html
    assert "no score sent" in html
    assert "NOT RUN" in html
    assert "meter" not in html


@pytest.mark.parametrize("wargaming", Wargaming)
def test_every_wargaming_verdict_has_a_note(wargaming: Wargaming) -> None:
    assert wargaming_note(Patch(wargaming=wargaming, wargaming_phase1=True, wargaming_phase2=True))


def test_a_failed_validation_is_not_told_as_an_exploit_that_works() -> None:
    patch = Patch(wargaming=Wargaming.FAILED, wargaming_phase1=True, wargaming_phase2=True)
    assert wargaming_note(patch) == "validation failed"


def test_absent_evidence_counts_as_a_condition_that_is_not_met() -> None:
    assert failing([{"outcome": "pass"}, {"outcome": "fail"}, {"outcome": "absent"}]) == 2


def test_a_category_is_shown_in_words() -> None:
    assert category_label(Category.INCOMPLETE) == "Incomplete fix"
    assert category_label("") == ""


@pytest.mark.parametrize("name", TYPES)
def test_every_audit_action_is_drawn_with_its_own_mark(name: str) -> None:
    html = action_badge(name)
    assert f'id="{icons_in(html)[0]}"' in SPRITE
    assert words(html) == name.replace(".", " ").replace("_", " ")


def test_every_severity_has_a_priority_mark_or_says_unknown() -> None:
    assert {severity.value for severity in Severity} - {"unknown"} == {name.lower() for name in Priority.names}
