"""Filter menus and fields drawn from bound form fields, so that templates need not know the widgets."""

from collections.abc import Iterable
from typing import Any

from django import template
from django.forms import BoundField
from django.forms.widgets import CheckboxInput, ChoiceWidget

register = template.Library()


@register.inclusion_tag("_filter_menu.html")
def filter_menu(
    field: BoundField,
    label: str = "",
    wide: bool = False,
    facet: bool = False,
    offers: Iterable[tuple[str, str]] = (),
) -> dict[str, Any]:
    """Render one filter as a pill with a menu: ticks for many choices, radio buttons for one, an input for words.

    With `facet` the values that occur are fetched with their counts when the menu is opened; `offers` are values with
    what tells them apart, to choose from while one types.
    """
    options = choices_of(field)
    chosen = [option for option in options if option["selected"] and option["value"]]
    words = ", ".join(option["label"] for option in chosen[:2]) + (f" +{len(chosen) - 2}" if len(chosen) > 2 else "")
    return {
        "field": field,
        "label": label or field.label,
        "options": options,
        "many": getattr(field.field.widget, "allow_multiple_selected", False),
        "active": bool(chosen) if options else bool(field.value()),
        "chosen": words if options else field.value() or "",
        "wide": wide,
        "facet": facet,
        "offers": offers,
    }


@register.inclusion_tag("_range_menu.html")
def range_menu(
    low: BoundField, high: BoundField, label: str, type: str = "percent", icon_name: str = ""
) -> dict[str, Any]:
    """Render two fields, from and to, as one pill with a menu; `type` is percent or date."""
    values = ["" if field.value() is None else str(field.value()) for field in (low, high)]
    words = range_words(*values)
    return {
        "low": low,
        "fields": [low, high],
        "label": label,
        "type": type,
        "icon_name": icon_name,
        "chosen": f"{words} %" if words and type == "percent" else words,
        "active": any(values),
        "wrong": bool(low.errors or high.errors),
    }


def range_words(low: str, high: str) -> str:
    """Return a range as the pill says it; '' for none."""
    if low and high:
        return f"{low} to {high}"
    if low:
        return f"from {low}"
    return f"to {high}" if high else ""


@register.inclusion_tag("_switch.html")
def switch(field: BoundField, label: str = "", cls: str = "") -> dict[str, Any]:
    """Render a yes-or-no filter as a switch."""
    on = bool(field.field.widget.value_from_datadict(field.form.data, field.form.files, field.html_name))
    value = "on" if isinstance(field.field.widget, CheckboxInput) else "true"
    return {"field": field, "label": label or field.label, "on": on, "value": value, "cls": cls}


def choices_of(field: BoundField) -> list[dict[str, Any]]:
    """Return the choices of a field as {value, label, selected}; an empty list when it has none."""
    if not isinstance(field.field.widget, ChoiceWidget):
        return []
    return [
        {"value": str(part.data["value"] or ""), "label": str(part.data["label"]), "selected": part.data["selected"]}
        for part in field.subwidgets
    ]


@register.inclusion_tag("_filter_field.html")
def filter_field(field: BoundField, label: str = "", facet: bool = False) -> dict[str, Any]:
    """Render one filter inside a larger menu: a select where it has choices, an input otherwise."""
    return {
        "field": field,
        "label": label or field.label,
        "options": choices_of(field),
        "many": getattr(field.field.widget, "allow_multiple_selected", False),
        "facet": facet,
    }
