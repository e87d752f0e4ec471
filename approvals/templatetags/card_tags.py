"""The cards of the queue."""

from collections.abc import Iterable

from django import template
from django.template import Context
from django.utils.safestring import SafeString

from approvals.permissions import COMMENT_DECISION
from approvals.queries.cards import Card

from .clock_tags import now_of
from .compiled_tags import drawn

register = template.Library()


@register.simple_tag(takes_context=True)
def cards(context: Context, shown: Iterable[Card]) -> SafeString:
    """Return cards as the list items of the queue, drawn for the person who reads the page."""
    user = context["user"]
    return drawn(
        "approvals/_cards.html",
        cards=shown,
        in_list=context["in_list"]["only"],
        initials=user.initials,
        may_comment=user.has_perm(COMMENT_DECISION),
        now=now_of(context),
        reader=context["reader"],
    )
