"""Templates of `templates/jinja2`, drawn inside Django's."""

from typing import Any, cast

from django import template
from django.template import Context, engines
from django.template.backends.jinja2 import Jinja2
from django.template.backends.utils import csrf_input_lazy
from django.utils.safestring import SafeString, mark_safe

register = template.Library()


@register.simple_tag(takes_context=True)
def compiled(context: Context, template_name: str, **more: Any) -> SafeString:
    """Draw a compiled template with the page's context, as `include` draws one of Django's."""
    shown = cast(dict[str, Any], context.flatten())
    return drawn(template_name, **shown | {"csrf_input": csrf_input_lazy(context["request"])} | more)


def drawn(template_name: str, **context: Any) -> SafeString:
    """Return a compiled template as markup."""
    engine = engines["jinja2"]
    assert isinstance(engine, Jinja2)
    return mark_safe(engine.env.get_template(template_name).render(context))  # noqa: S308  its engine escapes
