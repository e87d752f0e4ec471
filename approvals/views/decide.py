"""A verdict from the panel or a card, and what is shown when an act on a patch is refused."""

from datetime import datetime
from functools import partial
from uuid import UUID

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import render
from django.utils import timezone
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_POST

from approvals.accounts.sessions import proof_times, save_draft
from approvals.accounts.views import confirm
from approvals.actors import person_actor
from approvals.errors import Conflict, Invalid, NotAllowed, Refusal, StepUpRequired, TooMany
from approvals.forms import VerdictForm
from approvals.models import Channel, Decision, Displayed, Status, User, Verdict
from approvals.queries.decision_facts import outcome
from approvals.requests import Request
from approvals.services import reviews

from . import list_navigation
from .access import go_to, user_of, varies, viewers, with_retry
from .panel import ConflictNotice, RefusedAct
from .patch_context import card_context, decision_or_404, panel_or_page

STEPS = {Verdict.APPROVE: "approve", Verdict.REJECT: "reject", Verdict.REQUEST_CHANGES: "changes"}
LATE = {
    "decide": "Your verdict came after that decision.",
    "escalate": "There is nothing left to escalate.",
    "extend": "There is no more time to give.",
    "cancel": "Your cancellation came after that.",
    "revoke": "There is no approval left to revoke.",
    "withdraw": "Reviews of a decided patch stand, so yours was not withdrawn.",
}
"""What a conflict means for what was tried, after the sentence that says who was first."""
DONE = {
    Verdict.APPROVE: "Approved",
    Verdict.REJECT: "Rejected",
    Verdict.REQUEST_CHANGES: "Changes requested",
}


@sensitive_post_parameters("password")
@require_POST
@viewers
@varies
def decide(request: Request, decision_id: UUID) -> HttpResponse:
    """Take one verdict from the panel or a card; answer with the next item, the panel's errors or what happened."""
    form, user = VerdictForm(request.POST), user_of(request)
    decision = decision_or_404(decision_id)
    card = request.POST.get("displayed") == Displayed.CARD
    if not form.is_valid():
        return again(request, decision, user, form, card, status=422)
    try:
        done = _decided(request, decision_id, user, form, card)
    except Refusal as error:
        refusal = error
    else:
        messages.success(request, sentence_of(done, Verdict(form.cleaned_data["verdict"])))
        return _onward(request, done, card)
    if isinstance(refusal, StepUpRequired) and not card:
        if not confirm.proofs(request, decision)["password"]:
            save_draft(request, decision_id, **{name: form.cleaned_data[name] for name in confirm.KEPT})
            return go_to(request, confirm.address(request, decision))
        form.add_error("password", refusal.detail)
    return again(request, decision_or_404(decision_id), user, form, card, status=refusal.status, error=refusal)


def _decided(request: Request, decision_id: UUID, user: User, form: VerdictForm, card: bool) -> Decision:
    """Give the verdict; the password beside it is looked at only where nothing else speaks against an approval."""
    review = partial(
        reviews.review,
        decision_id,
        Verdict(form.cleaned_data["verdict"]),
        user=user,
        actor=person_actor(request, user),
        text=form.cleaned_data["text"],
        category=form.cleaned_data["category"],
        in_name_of=form.cleaned_data["in_name_of"],
    )
    try:
        return review(seen=_seen(request, form, card), now=timezone.now())
    except StepUpRequired:
        if card or not form.cleaned_data["password"]:
            raise
    try:
        confirm.take_password(request, form.cleaned_data["password"])
    except (Invalid, TooMany) as error:
        form.add_error("password", error.detail)
        raise
    return review(seen=_seen(request, form, card), now=timezone.now())


def again(
    request: Request,
    decision: Decision,
    user: User,
    form: VerdictForm,
    card: bool,
    *,
    status: int,
    error: Refusal | None = None,
) -> HttpResponse:
    """Show the same form with its errors, or what happened meanwhile; the words typed are kept."""
    verdict = form.data.get("verdict", Verdict.APPROVE)
    step = STEPS.get(verdict, "approve")
    conflict = conflict_of(decision, error) if isinstance(error, Conflict) else None
    if error and not conflict and not form.has_error("password"):
        form.add_error(None, error.detail)
    if card:
        context = card_context(request, decision, user, step, form=form, conflict=conflict)
        return render(request, "approvals/card_action.html", context, status=status)
    answer = panel_or_page(request, decision, user, status=status, form=form, step=step, conflict=conflict)
    return with_retry(answer, error)


def refused(request: Request, decision: Decision, error: Refusal, act: str) -> HttpResponse:
    """Show the panel as it is now, with what was wrong and the words of the act that was refused."""
    conflict = conflict_of(decision, error, act) if isinstance(error, Conflict) else None
    if isinstance(error, NotAllowed):
        conflict = ConflictNotice("Nothing was changed", error.detail)
    tried = RefusedAct(act, request.POST.get("reason", request.POST.get("text", "")), error.detail)
    return panel_or_page(request, decision, user_of(request), status=error.status, conflict=conflict, act=tried)


def conflict_of(decision: Decision, error: Conflict, act: str = "decide") -> ConflictNotice:
    said = outcome(decision)
    title = said.rstrip(".") if said else "The patch changed while you looked"
    return ConflictNotice(f"Already decided: {title}" if said else title, error.detail, LATE[act])


def _onward(request: Request, decision: Decision, card: bool) -> HttpResponse:
    """Go to the next item in the queue after a decision; stay where a quorum still misses somebody."""
    if card:
        return go_to(request, list_navigation.address(request))
    if decision.status == Status.PENDING:
        return go_to(request, list_navigation.patch_address(request, decision.decision_id))
    after = list_navigation.place_of(request, decision, timezone.now()).after
    return go_to(request, list_navigation.patch_address(request, after) if after else list_navigation.address(request))


def sentence_of(decision: Decision, verdict: Verdict) -> str:
    """Return what a verdict did, as the person who gave it reads it."""
    patch = decision.patch
    name = patch.vulnerability or (patch.title if patch.is_gate else patch.patch_id)
    if verdict == Verdict.APPROVE and decision.status == Status.PENDING:
        return f"Your approval of {name} counts: {decision.approvals} of {decision.required_approvals}."
    if decision.bypass_id:
        return f"Approved alone under {decision.bypass}: {name}. Somebody else reviews that afterwards."
    return f"{DONE[verdict]}: {name}."


def _seen(request: Request, form: VerdictForm, card: bool) -> reviews.Seen:
    opened_at: datetime | None = form.cleaned_data["opened_at"]
    return reviews.Seen(
        form.cleaned_data["patch_sha256"],
        Displayed.CARD if card else Displayed.PAGE,
        Channel.CARD if card else Channel.PAGE,
        opened_at,
        bypass=form.cleaned_data["bypass"],
        **proof_times(request),
    )
