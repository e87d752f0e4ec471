"""The engine of `templates/jinja2`: Jinja's, with the tags and filters that our Django templates have."""

from collections.abc import Callable
from typing import Any

import jinja2
from django.template.defaultfilters import (
    date,
    default_if_none,
    filesizeformat,
    floatformat,
    pluralize,
    stringformat,
    truncatechars,
    yesno,
)
from django.urls import reverse

from approvals.templatetags import (
    clock_tags,
    gate_tags,
    hitl_tags,
    number_tags,
    sight_tags,
    text_tags,
)
from hitl.template_loader import sent_text

LIBRARIES = (clock_tags, gate_tags, hitl_tags, number_tags, sight_tags, text_tags)
DJANGO_FILTERS = (
    date,
    default_if_none,
    filesizeformat,
    floatformat,
    pluralize,
    stringformat,
    truncatechars,
    yesno,
)
TAGS = (
    clock_tags.clock_of,
    hitl_tags.agreement_badge,
    hitl_tags.concord_of,
    hitl_tags.gate_badge,
    hitl_tags.icon,
    hitl_tags.meter,
    hitl_tags.ml_badge,
    hitl_tags.prio,
    hitl_tags.prio_badge,
    hitl_tags.sprite,
    hitl_tags.status_badge,
    hitl_tags.wargaming_badge,
    number_tags.delta,
    sight_tags.hidden,
)
CONTEXT_TAGS = (clock_tags.ago, clock_tags.sla, clock_tags.when)


class Loader(jinja2.FileSystemLoader):
    """Reads a template as `sent_text`."""

    def get_source(self, environment: jinja2.Environment, template: str) -> tuple[str, str, Callable[[], bool]]:
        text, file, is_current = super().get_source(environment, template)
        return sent_text(text), file, is_current


class Absent(jinja2.ChainableUndefined):
    """A name that a template was not given: empty, with whatever is asked of it, as in Django's templates."""

    def __call__(self, *args: Any, **kwargs: Any) -> "Absent":  # type: ignore[override]
        return self


def value_shown(value: Any) -> Any:
    """Return what a template prints, unless a method was named and not called."""
    if callable(value) and not isinstance(value, jinja2.Undefined):
        raise TypeError(f"A template prints {value!r} instead of calling it.")
    return value


def address(name: str, *arguments: Any) -> str:
    """Return the address of a view."""
    return reverse(name, args=arguments)


def environment(**options: Any) -> jinja2.Environment:
    """Return the environment, as Django's setting asks for it."""
    options["loader"] = Loader(options["loader"].searchpath)
    made = jinja2.Environment(**options | {"undefined": Absent, "finalize": value_shown})  # noqa: S701  it is told to escape
    for library in LIBRARIES:
        made.filters.update(library.register.filters)
    made.filters.update({function.__name__: function for function in DJANGO_FILTERS})
    made.globals.update({function.__name__: function for function in TAGS})
    made.globals.update({function.__name__: jinja2.pass_context(function) for function in CONTEXT_TAGS})
    made.globals["url"] = address
    return made
