"""Filters as menus: what is set is on the pill, what was typed is kept and escaped."""

import pytest
from django import forms
from django.template import Context, Template

from approvals.templatetags.form_tags import choices_of, range_words
from tests.html import one_line


class Filters(forms.Form):
    cwe = forms.CharField(required=False)
    sla = forms.ChoiceField(required=False, choices=[("", "Any"), ("breached", "Breached")])
    severity = forms.MultipleChoiceField(
        required=False, choices=[("low", "Low"), ("high", "High"), ("critical", "Critical")]
    )
    confidence_min = forms.FloatField(required=False, max_value=1)
    confidence_max = forms.FloatField(required=False, max_value=1)
    mine = forms.BooleanField(required=False)


def rendered(source: str, **data: object) -> str:
    form = Filters(data)
    form.is_valid()
    return one_line(Template("{% load form_tags %}" + source).render(Context({"form": form})))


def test_a_filter_that_is_not_set_looks_quiet() -> None:
    html = rendered('{% filter_menu form.cwe "CWE" %}')
    assert "is-active" not in html
    assert 'name="cwe"' in html


def test_a_filter_that_is_set_says_so_on_its_pill() -> None:
    html = rendered('{% filter_menu form.cwe "CWE" %}', cwe="CWE-89")
    assert "is-active" in html
    assert "CWE-89</b>" in html


def test_what_was_typed_is_escaped() -> None:
    html = rendered('{% filter_menu form.cwe "CWE" %}', cwe='"><script>')
    assert "<script" not in html


def test_a_choice_shows_its_label_and_any_is_no_choice() -> None:
    assert "Breached</b>" in rendered('{% filter_menu form.sla "SLA" %}', sla="breached")
    assert "is-active" not in rendered('{% filter_menu form.sla "SLA" %}', sla="")
    assert rendered('{% filter_menu form.sla "SLA" %}').count('type="radio"') == 2


def test_many_choices_are_ticks_and_the_pill_counts_what_it_cannot_name() -> None:
    html = rendered('{% filter_menu form.severity "Severity" %}', severity=["low", "high", "critical"])
    assert html.count('type="checkbox"') == html.count(" checked") == 3
    assert "Low, High +1</b>" in html


@pytest.mark.parametrize(
    ("low", "high", "words"), [("0.4", "1", "0.4 to 1"), ("0.4", "", "from 0.4"), ("", "0.9", "to 0.9"), ("", "", "")]
)
def test_a_range_is_said_in_words(low: str, high: str, words: str) -> None:
    assert range_words(low, high) == words


def test_a_wrong_value_keeps_its_place_with_its_error() -> None:
    html = rendered(
        '{% range_menu form.confidence_min form.confidence_max "Confidence" %}',
        confidence_min="7",
        confidence_max="100",
    )
    assert 'value="7"' in html
    assert 'aria-invalid="true"' in html
    assert "field__error" in html


def test_a_switch_is_on_when_its_field_was_sent() -> None:
    assert " checked" in rendered('{% switch form.mine "Needs my approval" %}', mine="on")
    assert " checked" not in rendered('{% switch form.mine "Needs my approval" %}')


def test_a_filter_inside_another_menu_is_a_select_or_an_input() -> None:
    assert "<select" in rendered('{% filter_field form.sla "SLA" %}', sla="breached")
    assert "<input" in rendered('{% filter_field form.cwe "CWE" %}')


def test_a_field_without_choices_has_none() -> None:
    assert choices_of(Filters()["cwe"]) == []
