"""How forms become HTML: by templates of ours where there is one."""

from django.forms.renderers import TemplatesSetting


class FormRenderer(TemplatesSetting):
    """A field with its label, errors and hint, as `as_field_group` asks for it, comes from one template."""

    field_template_name = "_field.html"
