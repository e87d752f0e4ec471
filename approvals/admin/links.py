"""The admin's page that sends somebody a one-time link: mailed where mail is configured, else shown this once."""

import logging
from smtplib import SMTPException
from typing import Any

from django import forms
from django.conf import settings
from django.contrib import admin, messages
from django.contrib.admin.utils import unquote
from django.core.exceptions import PermissionDenied
from django.core.mail import EmailMessage
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.urls import reverse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods

from approvals.accounts.services import recovery
from approvals.errors import Refusal
from approvals.models import MAX_REASON, User

from .kinds import acting, signed_in

log = logging.getLogger(__name__)
MINUTES = settings.PASSWORD_RESET_TIMEOUT // 60


class LinkForm(forms.Form):
    reason = forms.CharField(
        required=False,
        max_length=MAX_REASON,
        widget=forms.Textarea(attrs={"rows": 3, "cols": 80}),
        label="Why",
        help_text="For the lead who agrees that the account decides again.",
    )


@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def page(request: HttpRequest, id: str, *, of: "admin.ModelAdmin[Any]") -> HttpResponse:
    """Say what the link does, and send it on POST; nobody sets a password for somebody else."""
    person = of.get_object(request, unquote(id))
    if person is None:
        raise Http404
    if person.pk == signed_in(request).pk:
        return redirect("password")
    if not of.has_change_permission(request, person):
        raise PermissionDenied
    form = LinkForm(request.POST if request.method == "POST" else None)
    sent: dict[str, Any] = {}
    if request.method == "POST" and form.is_valid():
        reason = form.cleaned_data["reason"].strip()
        try:
            secret = recovery.send_link(person, reason=reason, user=signed_in(request), **acting(request))
            sent = _deliver(person, f"{settings.BASE_URL}{reverse('link', args=[secret])}")
        except Refusal as error:
            messages.error(request, error.detail)
    context = {**of.admin_site.each_context(request), "title": "One-time link", "opts": of.opts, "form": form}
    context |= {"person": person, "minutes": MINUTES, "by_mail": bool(settings.SMTP_HOST), **sent}
    return TemplateResponse(request, "admin/approvals/user/link.html", context)


def _deliver(person: User, address: str) -> dict[str, Any]:
    """Mail a link, and return what the page shows: where it went, or the link itself."""
    if not settings.SMTP_HOST:
        return {"link": address}
    words = (
        f"An administrator sent you this link to set your password for HITL. It works once, for {MINUTES} minutes:\n\n"
        f"{address}\n\nAfterwards sign in and confirm on your account page that it was you.\n"
        "If you did not ask for it, tell a security lead, and do not use it.\n"
    )
    try:
        EmailMessage("Your one-time link", words, to=[person.email]).send()
    except (SMTPException, OSError):
        log.exception("A one-time link could not be mailed")
        return {"link": address, "failed": True}
    return {"mailed": person.email}
