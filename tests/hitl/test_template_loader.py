"""Templates are laid out for people; what is sent has none of that layout, and every blank that separates words."""

from pathlib import Path

import pytest
from django.template import Context, Engine

SOURCE = """\
{% load l10n %}
<div
  class="a"
  {% if open %}open{% endif %}
>
  {# Nobody but a developer reads this. #}
  {% if open %}
    one
    {% for word in words %}
      {{ word }}
    {% endfor %}
  {% else %}
    none
  {% endif %}
  <b>two</b>
  three
</div>
<p>end</p>
"""


@pytest.mark.parametrize(
    ("context", "sent"),
    [
        ({"open": True, "words": ["x", "y"]}, '<div\nclass="a"\nopen>\none\nx\ny\n<b>two</b>\nthree\n</div><p>end</p>'),
        ({"open": True}, '<div\nclass="a"\nopen>\none\n<b>two</b>\nthree\n</div><p>end</p>'),
        ({}, '<div\nclass="a"\n>\nnone\n<b>two</b>\nthree\n</div><p>end</p>'),
    ],
)
def test_words_stay_apart_and_the_layout_is_not_sent(tmp_path: Path, context: dict[str, object], sent: str) -> None:
    (tmp_path / "page.html").write_text(SOURCE)
    engine = Engine(
        dirs=[str(tmp_path)], loaders=["hitl.template_loader.Loader"], libraries={"l10n": "django.templatetags.l10n"}
    )
    assert engine.get_template("page.html").render(Context(context)) == sent
