"""Revoking many approvals: first the filters, then the list that matches, then the act on exactly that list."""

from typing import Any

from django.contrib import messages
from django.contrib.auth.decorators import permission_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_http_methods

from approvals.actors import person_actor
from approvals.errors import Refusal
from approvals.forms import RevokeForm, ShownApprovalsForm
from approvals.permissions import LEAD_DECISION
from approvals.queries import revocable
from approvals.queries.people import offered
from approvals.services import revocations

from .access import user_of, varies, viewers


@require_http_methods(["GET", "HEAD", "POST"])
@viewers
@permission_required(LEAD_DECISION, raise_exception=True)
@varies
def revoke(request: HttpRequest) -> HttpResponse:
    """Show what would be revoked; a POST revokes what was shown, or says what is different now."""
    form = RevokeForm(request.GET or None)
    if not form.is_valid():
        return _page(request, form, status=422 if request.method == "POST" else 200)
    if request.method != "POST":
        return _page(request, form)
    said, user = ShownApprovalsForm(request.POST), user_of(request)
    if not said.is_valid():
        return _page(request, form, said=said, error=_wrong(said))
    sent = said.cleaned_data
    shown = revocations.ShownApprovals(sent["digest"], sent["count"], sent["shown_at"])
    try:
        done = revocations.revoke_all(
            form.approvals(),
            sent["reason"],
            shown=shown,
            criteria=form.criteria(),
            user=user,
            actor=person_actor(request, user),
            now=timezone.now(),
        )
    except Refusal as error:
        refusal = error
    else:
        beside = f" {done.skipped:,} had been revoked by somebody else meanwhile." if done.skipped else ""
        messages.success(request, f"{done.revoked:,} approvals are revoked; deployers see it in the feed.{beside}")
        return redirect(reverse("history") + "?status=revoked")
    return _page(request, form, status=refusal.status, said=said, error=refusal.detail)


def _wrong(said: ShownApprovalsForm) -> str:
    return str(said.errors["reason"][0]) if "reason" in said.errors else "The list is damaged; look at it again."


def _page(
    request: HttpRequest,
    form: RevokeForm,
    *,
    status: int = 200,
    said: ShownApprovalsForm | None = None,
    error: str = "",
) -> HttpResponse:
    context: dict[str, Any] = {"active": "history", "form": form, "people": offered(), "error": error, "said": said}
    if form.is_bound and form.is_valid():
        now = timezone.now()  # before the list is read: what comes after this is news
        wanted = form.approvals()
        found = revocable.listed(wanted)
        count = len(found.keys)
        rows = revocable.shown(wanted)
        context |= {
            "preview": True,
            "rows": rows,
            "count": min(count, revocable.MOST),
            "more": count - len(rows),
            "too_many": count > revocable.MOST,
            "digest": found.digest,
            "shown_at": now.isoformat(),
        }
    return render(request, "approvals/revoke.html", context, status=422 if error and status == 200 else status)
