"""What was decided in another system, before this one."""

import json
from typing import Any

from django import forms
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_safe

from approvals.forms import ANY
from approvals.models import IMPORTED_OUTCOMES, MAX_NAME, ImportedDecision, Source
from approvals.policy.visible_fields import sees
from approvals.queries import imported as queries
from approvals.queries.keyset import BadCursor, page

from .access import demand_sight, reader_of, varies, viewers
from .links import page_urls

PAGE = 50
RECORD = "reason"  # the record holds reasons and comments: who sees those of our own sees it


class ImportedForm(forms.Form):
    """What the list of imported decisions is narrowed to."""

    q = forms.CharField(required=False, max_length=MAX_NAME, label="Search")
    source = forms.ChoiceField(required=False, choices=ANY + Source.choices, widget=forms.RadioSelect, label="System")
    outcome = forms.ChoiceField(
        required=False, choices=[*ANY, *((one, one.label) for one in IMPORTED_OUTCOMES)], widget=forms.RadioSelect
    )

    def value_of(self, name: str) -> str:
        """Return a filter's value, '' for one that is wrong."""
        self.is_valid()
        return str(self.cleaned_data.get(name, ""))


@require_safe
@viewers
@varies
def index(request: HttpRequest) -> HttpResponse:
    """List imported decisions, the last imported first."""
    form = ImportedForm(request.GET)
    rows = queries.found(form.value_of("q").strip(), form.value_of("source"), form.value_of("outcome"))
    try:
        shown = page(rows, queries.ORDER, request.GET.get("cursor"), PAGE)
    except BadCursor:
        return redirect(request.path)
    context = {
        "active": "history",
        "form": form,
        "rows": shown.rows,
        "sees_records": sees(reader_of(request), RECORD),
        **page_urls(request, shown),
    }
    return render(request, "approvals/imported.html", context)


@require_safe
@viewers
def detail(request: HttpRequest, imported_id: int) -> HttpResponse:
    """Show one imported decision with its whole record."""
    demand_sight(request, RECORD)
    row = ImportedDecision.objects.select_related("record").filter(pk=imported_id).first()
    if row is None:
        raise Http404
    context = {"active": "history", "row": row, "facts": _lines(row.row), "steps": [_lines(one) for one in row.history]}
    return render(request, "approvals/imported_detail.html", context)


def _lines(row: dict[str, Any]) -> list[tuple[str, str]]:
    """Return the columns of a foreign row that hold something, as words."""
    kept = {name: value for name, value in row.items() if value not in (None, "", [], {})}
    return [
        (name, value if isinstance(value, str) else json.dumps(value, ensure_ascii=False))
        for name, value in kept.items()
    ]
