"""Comments on a patch, at a line of its diff or on all of it."""

import re
from uuid import UUID

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import render
from django.utils import timezone
from django.views.decorators.http import require_POST

from approvals.actors import person_actor
from approvals.errors import Invalid, NotAllowed
from approvals.forms import CommentForm
from approvals.models import Comment, Decision, User
from approvals.permissions import COMMENT_DECISION
from approvals.requests import Request
from approvals.services import reviews

from . import list_navigation
from .access import demand_sight, go_to, user_of, varies, viewers
from .decide import refused
from .discussion import discussion_of
from .patch_context import TEMPLATES, decision_or_404, page_context

ANCHOR = re.compile(r"[A-Za-z][\w-]{0,99}")  # a line of the diff, to come back to


@require_POST
@viewers
@varies
def comment(request: Request, decision_id: UUID) -> HttpResponse:
    """Add words to the discussion; htmx, which only the composer at a line asks by, gets the thread for that row."""
    decision, user, form = decision_or_404(decision_id), user_of(request), CommentForm(request.POST)
    if not user.has_perm(COMMENT_DECISION):
        return refused(request, decision, NotAllowed("Your groups do not include commenting."), "comment")
    if request.POST.get("file") or request.POST.get("line"):
        demand_sight(request, "diff")  # the answer would tell what the diff has
    anchor = ANCHOR.fullmatch(request.POST.get("anchor", ""))
    added = _added(request, decision, user, form) if form.is_valid() else None
    if added is None:
        if request.htmx:
            place = {name: form[name].value() for name in ("file", "line", "side")} | {"anchor": anchor and anchor[0]}
            context = {"decision": decision, "comment_form": form, "place": place}
            return render(request, "approvals/_line_composer.html", context, status=422)
        return comment_again(request, decision, form, status=422)
    if request.htmx:
        discussion = discussion_of(request, decision)
        beside = {"said": len(discussion.shown), "older_url": discussion.older_url}
        context = {"decision": decision, "comment": added, "added": [added]} | beside
        return render(request, "approvals/_line_said.html", context)
    messages.success(request, "Comment added.")
    return go_to(
        request, f"{list_navigation.patch_address(request, decision_id)}#{anchor[0] if anchor else 'discussion'}"
    )


def _added(request: Request, decision: Decision, user: User, form: CommentForm) -> Comment | None:
    """Return the comment; None where the diff has no such place, which the form then says."""
    said = form.cleaned_data
    actor, place = person_actor(request, user), {name: said[name] for name in ("file", "line", "side")}
    try:
        return reviews.comment(decision.decision_id, said["text"], user=user, actor=actor, now=timezone.now(), **place)
    except Invalid as error:
        form.add_error("text", error.detail)
        return None


def comment_again(request: Request, decision: Decision, form: CommentForm, *, status: int) -> HttpResponse:
    """Show the page with the discussion's form as it was sent, and what is wrong with it."""
    context = page_context(request, decision, user_of(request)) | {"comment_form": form}
    return render(request, TEMPLATES[decision.patch.is_gate], context, status=status)
