"""What administrators see of the mails: each kind drawn from its templates, and one of them sent to themselves."""

from csp.constants import HEADER
from csp.utils import build_policy
from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.views.decorators.clickjacking import xframe_options_sameorigin
from django.views.decorators.http import require_POST, require_safe

from notifications.channels import is_open
from notifications.kinds import ALL_KINDS, KINDS
from notifications.mail_parts import Parts, parts_of
from notifications.messages import message_of
from notifications.models import Channel, Notice
from notifications.queries.shown import notice_to_show
from notifications.services.trials import AN_HOUR, send_to_oneself

from .access import administrators, user_of

FRAMED = (
    "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'self'; form-action 'none'; base-uri 'none'; "
    "object-src 'none'; sandbox"
)
"""A mail has styles of its own, and an install's own template may hold anything: it runs and fetches nothing."""


@require_safe
@administrators
def index(request: HttpRequest) -> HttpResponse:
    """List the kinds of notices."""
    context = {"kinds": ALL_KINDS, "mails": is_open(Channel.MAIL)}
    return render(request, "approvals/notice_templates.html", context)


@require_safe
@administrators
def detail(request: HttpRequest, kind: str) -> HttpResponse:
    """Show subject and text of a kind's mail, and its HTML in a frame."""
    notice, parts = _drawn(request, kind)
    context = {
        "kind": KINDS[kind],
        "notice": notice,
        "made_up": notice.pk is None,
        "parts": parts,
        "mails": is_open(Channel.MAIL),
        "an_hour": AN_HOUR,
    }
    response = render(request, "approvals/notice_template.html", context)
    response[HEADER] = build_policy(update={"frame-src": ["'self'"]})
    return response


@require_safe
@administrators
@xframe_options_sameorigin
def framed(request: HttpRequest, kind: str) -> HttpResponse:
    """Answer with the HTML of a kind's mail, for the frame on its page."""
    return HttpResponse(_drawn(request, kind)[1].html, headers={HEADER: FRAMED})


@require_POST
@administrators
def send(request: HttpRequest, kind: str) -> HttpResponse:
    """Send the mail of a kind to whoever asks, a few times an hour at most."""
    if kind not in KINDS or not is_open(Channel.MAIL):
        raise Http404
    user = user_of(request)
    if send_to_oneself(kind, user.pk, now=timezone.now()):
        messages.success(request, f"It is on its way to {user.email}.")
    else:
        messages.error(request, f"Nothing was sent: you sent yourself {AN_HOUR} within the last hour.")
    return redirect("notice-template", kind)


def _drawn(request: HttpRequest, kind: str) -> tuple[Notice, Parts]:
    if kind not in KINDS:
        raise Http404
    now = timezone.now()
    notice = notice_to_show(kind, now)
    zone = timezone.get_current_timezone()
    return notice, parts_of(message_of(notice, notice.facts.get("why", ""), zone=zone, now=now))
