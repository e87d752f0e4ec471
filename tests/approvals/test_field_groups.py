"""One template lays out the fields of the forms: label, widget, errors and hint find each other by their ids."""

import re

import pytest
from django import forms

from approvals.fields import FieldGroups
from tests.html import one_line


class Example(FieldGroups, forms.Form):
    why = forms.CharField(label="Why <now>", help_text="Up to ten words.")
    day = forms.CharField(required=False, widget=forms.DateInput(attrs={"type": "date"}))
    which = forms.ChoiceField(choices=[("a", "First")])
    words = forms.CharField(widget=forms.Textarea)
    boxes = forms.MultipleChoiceField(choices=[("x", "One")], widget=forms.CheckboxSelectMultiple)


def group(name: str, form: forms.BaseForm) -> str:
    return " ".join(form[name].as_field_group().split())


def test_a_field_that_is_right_says_nothing_of_errors() -> None:
    html = group("why", Example({"why": "because"}))
    assert '<label class="field__label" for="id_why"> Why &lt;now&gt; <span class="field__req">required</span>' in html
    assert 'class="input"' in html
    assert 'value="because"' in html
    assert 'aria-describedby="id_why_helptext"' in html
    assert '<p class="field__hint" id="id_why_helptext">Up to ten words.</p>' in html
    assert "aria-invalid" not in html
    assert "field__error" not in html


def test_an_error_stands_where_the_widget_points_at() -> None:
    html = group("why", Example({}))
    described = re.search(r'aria-describedby="([^"]+)"', html)
    assert described
    assert described[1].split() == ["id_why_helptext", "id_why_error"]
    assert 'aria-invalid="true"' in html
    error = r'<div id="id_why_error"><p class="field__error">.*This field is required\.</p></div>'
    assert re.search(error, one_line(html))


def test_the_word_required_and_the_loud_error_are_of_the_form() -> None:
    class Quiet(Example):
        required_css_class = ""
        announces_errors = True

    html = group("why", Quiet({}))
    assert "field__req" not in html
    assert re.search(r'<div id="id_why_error" role="alert" ?>', html)
    assert "field__req" not in group("day", Example({}))


@pytest.mark.parametrize(("name", "known_by"), [("which", "select"), ("words", "textarea"), ("day", "input")])
def test_each_widget_has_the_class_of_its_kind(name: str, known_by: str) -> None:
    html = group(name, Example())
    assert f'class="{known_by}"' in html
    assert not re.search(r"<(input|select|textarea)[^>]*\srequired", html)  # the forms are novalidate: we answer


def test_choices_to_tick_are_a_fieldset() -> None:
    html = group("boxes", Example())
    assert '<fieldset> <legend class="field__label">Boxes</legend>' in html
    assert '<label class="row row--nowrap"><input type="checkbox" name="boxes" value="x" id="id_boxes_0"> One' in html
