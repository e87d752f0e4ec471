"""The audit log for people: the list with filters, and one entry exactly as it was written."""

import json
from typing import Any
from uuid import UUID

from django import forms
from django.conf import settings
from django.contrib.auth.decorators import login_required, permission_required
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.views.decorators.http import require_safe

from .days import DayField, midnight
from .models import Context, Entry
from .queries import EntryFilters, body_of, entries, people, row
from .types import TYPES, summary
from .words import label

PAGE = 50
VIEW_ENTRY = "audit.view_entry"
VIEW_POLICY = "approvals.view_policy"


class EntryForm(forms.Form):
    """The list's filters, from the query string; dates are days in the reader's time zone."""

    q = forms.CharField(required=False, max_length=200)
    action = forms.ChoiceField(required=False, choices=[("", "Any"), *((name, label(name)) for name in TYPES)])
    actor = forms.CharField(required=False, max_length=150)
    object = forms.CharField(required=False, max_length=64)
    since = DayField()
    until = DayField()

    def filters(self) -> EntryFilters:
        """Return the filters that are valid."""
        self.is_valid()
        values = self.cleaned_data
        return EntryFilters(
            q=values.get("q", ""),
            action=values.get("action", ""),
            actor=values.get("actor", ""),
            object_ids=[values["object"]] if values.get("object") else None,
            since=midnight(values.get("since")),
            until=midnight(values.get("until"), days=1),
        )


@require_safe
@login_required
@permission_required(VIEW_ENTRY, raise_exception=True)
def entry_list(request: HttpRequest) -> HttpResponse:
    """Entries newest first; older and newer by the last id seen."""
    form = EntryForm(request.GET)
    shown, newer, older = _page(form.filters(), request)
    context = {
        "active": "audit",
        "form": form,
        "people": people(),
        "entries": [_entry_row(entry, request.user.has_perm(VIEW_POLICY)) for entry in shown],
        "next_url": _address(request, before=older),
        "previous_url": _address(request, after=newer),
        "shown": len(shown),
        "total": "",
        "second_person": settings.SECOND_PERSON_REQUIRED,
    }
    response = render(request, "audit/entry_list.html", context)
    response["Cache-Control"] = "no-store"
    return response


@require_safe
@login_required
@permission_required(VIEW_ENTRY, raise_exception=True)
def entry_detail(request: HttpRequest, entry_id: UUID) -> HttpResponse:
    """One entry: its exact body, its hash, and its erasable context."""
    entry = Entry.objects.select_related("context", "leaf").filter(uuid=entry_id).first()
    if entry is None:
        raise Http404
    body, facts = body_of(entry), row(entry)
    context = {
        "active": "audit",
        "entry": _entry_row(entry, request.user.has_perm(VIEW_POLICY)),
        "body_text": json.dumps(body, indent=2, ensure_ascii=False),
        "aside_text": _aside_text(getattr(entry, "context", None)),
        "leaf_hash": bytes(entry.leaf_hash).hex(),
        "previous_hash": body.get("object", {}).get("prev"),
        "seq": facts["seq"],
        "request_id": facts["request_id"],
        "ip_address": facts["ip_address"],
        "user_agent": facts["user_agent"],
    }
    return render(request, "audit/entry_detail.html", context)


def _aside_text(context: Context | None) -> str:
    """Return an entry's `aside` as indented JSON, '' if it has none."""
    return json.dumps(json.loads(context.aside), indent=2, ensure_ascii=False) if context and context.aside else ""


def _page(filters: EntryFilters, request: HttpRequest) -> tuple[list[Entry], int | None, int | None]:
    """Return one page and the ids from which newer and older pages start (None at the ends)."""
    before, after = _number(request.GET.get("before")), _number(request.GET.get("after"))
    found = entries(filters, before=before if after is None else None, after=after, limit=PAGE + 1)
    if after is not None:
        more_newer, shown = len(found) > PAGE, found[-PAGE:]
        more_older = bool(shown)
    else:
        more_older, shown = len(found) > PAGE, found[:PAGE]
        more_newer = before is not None
    return shown, shown[0].pk if shown and more_newer else None, shown[-1].pk if shown and more_older else None


def _address(request: HttpRequest, **position: int | None) -> str | None:
    """Return this list's address with its filters, beginning at a position."""
    ((name, value),) = position.items()
    if value is None:
        return None
    query = request.GET.copy()
    for old in ("before", "after"):
        query.pop(old, None)
    query[name] = str(value)
    return f"{request.path}?{query.urlencode()}"


def _entry_row(entry: Entry, policies: bool) -> dict[str, Any]:
    """Return an entry as the table shows it; `policies` says whether the reader may open policies."""
    facts = row(entry)
    context = getattr(entry, "context", None)
    return {
        "uuid": entry.uuid,
        "seq": facts["seq"],
        "at": entry.at,
        "actor_label": facts["performed_by"],
        "actor_kind": entry.actor_kind,
        "type": entry.type,
        "object_label": context.object_label if context else "",
        "object_url": _page_about(entry, policies),
        "summary": summary(entry.type, facts["details"]),
        "leaf_hash": bytes(entry.leaf_hash).hex(),
    }


def _page_about(entry: Entry, policies: bool) -> str:
    """Return the address of the page about an entry's object, '' if there is none that the reader may open."""
    if entry.object_type == "decision":
        return reverse("patch-detail", args=[entry.object_id])
    if entry.object_type == "policy" and policies:
        return reverse("policy-detail", args=[entry.object_id])
    if entry.object_type == "bypass" and policies:
        return f"{reverse('bypasses')}#bypass-{entry.object_id}"
    return ""


def _number(text: str | None) -> int | None:
    return int(text) if text and text.isdecimal() and len(text) < 19 else None
