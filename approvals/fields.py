"""The fields of our forms, and the classes that the style sheet knows their widgets by."""

from typing import Any

from django import forms

PERCENT = "A number from 0 to 100. Until it is one, this filter is off."


class PercentField(forms.FloatField):
    """A share as people write it, in percent, as cards print it."""

    def __init__(self) -> None:
        super().__init__(
            required=False,
            min_value=0,
            max_value=100,
            widget=forms.TextInput,  # a number input hands out '' for what it cannot read, and nobody learns why
            error_messages=dict.fromkeys(("invalid", "min_value", "max_value"), PERCENT),
        )
        for check in self.validators:
            check.message = PERCENT  # type: ignore[attr-defined]


class TextField(forms.CharField):
    """Words of several lines; a browser sends each line break as two characters and counts it as one, as we do."""

    def to_python(self, value: Any) -> str | None:
        return super().to_python(value.replace("\r\n", "\n") if isinstance(value, str) else value)


class FieldGroups(forms.BaseForm):
    """A form that its page shows field by field with `as_field_group`, that is by templates/_field.html."""

    use_required_attribute = False
    required_css_class = "field__req"
    """The class of the word beside the label of a field that must be filled in; with none the word is not there."""
    announces_errors = False
    """Whether a screen reader reads the errors of a field out as soon as the page is there."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for field in self.fields.values():
            if isinstance(field.widget, forms.Textarea):
                field.widget.attrs["class"] = "textarea"
            elif isinstance(field.widget, forms.Select):
                field.widget.attrs["class"] = "select"
            elif isinstance(field.widget, forms.widgets.Input) and not isinstance(field.widget, forms.CheckboxInput):
                field.widget.attrs["class"] = "input"


class PresentPasswordField(forms.CharField):
    """The password that somebody has at present."""

    def __init__(self, label: str, **attributes: Any) -> None:
        super().__init__(
            label=label,
            max_length=4_096,
            strip=False,
            widget=forms.PasswordInput(attrs={"autocomplete": "current-password", **attributes}),
            error_messages={"required": "Enter your password."},
        )
