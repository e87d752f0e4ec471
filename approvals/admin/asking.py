"""What adds deciders: the field that says why, what is left to save, and asking a second person for the rest."""

from typing import Any

from django import forms
from django.contrib import admin, messages
from django.http import HttpRequest

from approvals.accounts.services import rights
from approvals.errors import Conflict, Invalid
from approvals.models import MAX_REASON
from approvals.services import second_person

from .kinds import acting, signed_in

WAITS = "What adds deciders waits on the Policies page for a second person: a lead or a superuser."
FACTS = {column: name for name, column in rights.FLAGS.items()}
"""What entries call the columns."""


def reason_field(
    help_text: str = "Needed for what adds deciders, which then waits for a second person.",
) -> forms.CharField:
    """Return the field that says why somebody shall have more rights, or something more trust."""
    return forms.CharField(
        required=False,
        max_length=MAX_REASON,
        widget=forms.Textarea(attrs={"rows": 3, "cols": 80}),
        help_text=help_text,
    )


def check(form: "forms.ModelForm[Any]", waits: rights.PendingChange) -> None:
    """Show at its field what the service would refuse."""
    try:
        second_person.check_rights(form.instance, waits, form.cleaned_data.get("reason", ""))
    except Invalid as error:
        form.add_error("reason", " ".join([error.detail, *waits.why]))
    except Conflict as error:
        form.add_error(None, error.detail)


def changed(form: "forms.ModelForm[Any]", old: dict[str, Any] | None, new: dict[str, Any]) -> list[str]:
    """Return the fields of a form that were really changed: what waits was not."""
    facts = {name: FACTS.get(name, name) for name in form.changed_data if name != "reason"}
    kept = {name for name, fact in facts.items() if old and fact in new and old[fact] == new[fact]}
    return [name for name in facts if name not in kept]


def ask(page: "admin.ModelAdmin[Any]", request: HttpRequest, form: Any, waits: rights.PendingChange) -> None:
    """Ask a second person for what waits, and say so."""
    reason = form.cleaned_data.get("reason", "")
    asking = {"reason": reason, "user": signed_in(request), **acting(request)}
    if second_person.change_rights(form.instance, waits, **asking):
        say_it_waits(page, request, waits)


def say_it_waits(page: "admin.ModelAdmin[Any]", request: HttpRequest, waits: rights.PendingChange) -> None:
    """Tell whoever saved a form what of it is not so yet."""
    words = "This waits on the Policies page for a second person, and is not so yet: "
    page.message_user(request, words + " ".join(waits.why), messages.WARNING)
