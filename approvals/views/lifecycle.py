"""Escalating, extending, cancelling, revoking and withdrawing from a patch's page; each needs a reason."""

from collections.abc import Callable
from typing import Any
from uuid import UUID

from django.contrib import messages
from django.http import HttpResponse
from django.utils import timezone
from django.views.decorators.http import require_POST

from approvals.actors import person_actor
from approvals.errors import Invalid, Refusal, moment
from approvals.forms import ExtendForm, ReasonForm
from approvals.models import Channel
from approvals.requests import Request
from approvals.services import lifecycle, reviews

from . import list_navigation
from .access import go_to, user_of, varies, viewers
from .decide import refused
from .patch_context import decision_or_404

ACTS: dict[str, tuple[Callable[..., Any], str]] = {
    "escalate": (lifecycle.escalate, "Escalated to the security leads."),
    "cancel": (lifecycle.cancel, "Cancelled."),
    "revoke": (lifecycle.revoke, "The approval is revoked; deployers see it in the feed."),
    "withdraw": (reviews.withdraw, "Your review is withdrawn."),
}
"""The services by the last word of their address, with what the person reads when it is done."""


@require_POST
@viewers
@varies
def act(request: Request, decision_id: UUID, name: str) -> HttpResponse:
    """Run one act, and say on the page what came of it."""
    service, sentence = ACTS[name]
    decision, user, form = decision_or_404(decision_id), user_of(request), ReasonForm(request.POST)
    if not form.is_valid():
        return refused(request, decision, Invalid(" ".join(map(str, form.errors["reason"]))), name)
    actor, now = person_actor(request, user), timezone.now()
    try:
        service(decision_id, form.cleaned_data["reason"], user=user, actor=actor, now=now, channel=Channel.PAGE)
    except Refusal as error:
        refusal = error
    else:
        messages.success(request, sentence)
        return go_to(request, list_navigation.patch_address(request, decision_id))
    return refused(request, decision_or_404(decision_id), refusal, name)


@require_POST
@viewers
@varies
def extend(request: Request, decision_id: UUID) -> HttpResponse:
    """Give more time, and say on the page until when."""
    decision, user, form = decision_or_404(decision_id), user_of(request), ExtendForm(request.POST)
    if not form.is_valid():
        wrong = " ".join(str(sentence) for sentences in form.errors.values() for sentence in sentences)
        return refused(request, decision, Invalid(wrong), "extend")
    try:
        done = lifecycle.extend(
            decision_id,
            form.cleaned_data["seconds"],
            form.cleaned_data["reason"],
            user=user,
            actor=person_actor(request, user),
            now=timezone.now(),
        )
    except Refusal as error:
        refusal = error
    else:
        messages.success(request, f"Open until {moment(done.expire_at)}.")
        return go_to(request, list_navigation.patch_address(request, decision_id))
    return refused(request, decision_or_404(decision_id), refusal, "extend")
