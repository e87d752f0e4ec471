"""What a filter menu offers: the values that occur under the other filters, counted when somebody opens it."""

from typing import Any

from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils import timezone
from django.views.decorators.http import require_safe

from approvals.forms import QueueForm
from approvals.policy.rules import Reviewer
from approvals.queries import queue as queries
from approvals.queries.people import reviewer_shown
from approvals.queries.weaknesses import named
from approvals.templatetags.form_tags import choices_of

from .access import user_of, varies, viewers
from .links import queue_address

CHOICES = {"severity", "wargaming", "sla"}
IN_THE_LONG_MENU = {"package", "language", "producer", "policy"}  # offered while typing, not as a list


@require_safe
@viewers
@varies
def facet(request: HttpRequest, name: str) -> HttpResponse:
    """The values of one filter with their counts."""
    form, who = QueueForm(request.GET), reviewer_shown(user_of(request))
    others = queries.without(form.filters(), name) if name in CHOICES | queries.FACETS.keys() else None
    if others is None:
        raise Http404
    chosen = getattr(form.filters(), name)
    if name in CHOICES:
        context: dict[str, Any] = {"kind": "choices", "values": _choices(form, name, others, who, chosen)}
    else:
        values, more = queries.facet(queries.queue_rows(others, timezone.now(), who), name)
        context = {
            "kind": "options" if name in IN_THE_LONG_MENU else "links",
            "more": more,
            "values": [
                {
                    "value": value,
                    "label": named(value) if name == "cwe" else value,
                    "count": count,
                    "selected": value == chosen,
                    "url": queue_address(request, **{name: "" if value == chosen else value}),
                }
                for value, count in values
            ],
        }
    return render(request, "approvals/_facet.html", context | {"name": name})


def _choices(form: QueueForm, name: str, others: queries.Filters, who: Reviewer, chosen: str) -> list[dict[str, Any]]:
    """Return a filter's fixed choices, each counted by itself and so never beyond a thousand rows."""
    now = timezone.now()
    return [
        {
            **choice,
            "selected": choice["value"] == chosen,
            "count": queries.counted(queries.queue_rows(queries.having(others, name, choice["value"]), now, who))
            if choice["value"]
            else "",
        }
        for choice in choices_of(form[name])
    ]
