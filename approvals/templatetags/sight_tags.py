"""What the reader of a page may see, and the sentence instead of what they may not; the table is
`policy.visible_fields`."""

from django import template
from django.utils.html import format_html
from django.utils.safestring import SafeString

from approvals.policy.visible_fields import Reader, sees, why_hidden

from .hitl_tags import icon

register = template.Library()


@register.filter
def seen_by(field: str, reader: Reader | None) -> bool:
    """Return whether a reader sees a field; nobody who is not signed in sees any."""
    return bool(reader) and sees(Reader(str(reader)), field)


@register.simple_tag
def hidden(field: str) -> SafeString:
    """Return the sentence that stands where a field would."""
    return format_html('<p class="plain muted">{} {}</p>', icon("lock", "icon--sm icon--in"), why_hidden(field))
