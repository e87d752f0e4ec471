"""Compiled templates say what Django's would: nothing from outside is markup, what was not given is empty."""

import pytest
from django.template import engines

from approvals.models import Decision, Status


def drawn(source: str, **context: object) -> str:
    return str(engines["jinja2"].from_string(source).render(context))


def test_what_comes_from_outside_is_never_markup() -> None:
    assert drawn("<i>{{ name }}</i>", name="<b>") == "<i>&lt;b&gt;</i>"


@pytest.mark.parametrize(
    "source", ["{{ form }}", "{{ form.text.errors }}", "{{ form.text.value() }}", "{% if form.text %}x{% endif %}"]
)
def test_what_was_not_given_is_empty(source: str) -> None:
    assert drawn(source) == ""


def test_a_method_that_is_named_and_not_called_is_no_text() -> None:
    decision = Decision(status=Status.PENDING)
    assert drawn("{{ decision.get_status_display() }}", decision=decision) == "Pending"
    with pytest.raises(TypeError, match="instead of calling it"):
        drawn("{{ decision.get_status_display }}", decision=decision)


def test_our_tags_and_filters_have_their_names() -> None:
    assert drawn("{{ status_badge('pending') }}").startswith("<span")
    assert drawn("{{ 0.9496|percent }} {{ seconds|duration }}", seconds=90) == "94.9 1 min 30 s"
